//! The files that are checked, and what is found in them.

use std::{fmt, fs, path::Path};

use anyhow::{Context, Result};
use ignore::WalkBuilder;

/// A text file of this workspace.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// From the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1; none if it is about the whole file.
    pub(crate) line: Option<usize>,
    pub(crate) what: String,
}

impl Source {
    pub(crate) fn extension(&self) -> Option<&str> {
        Path::new(&self.path).extension()?.to_str()
    }

    /// The lines, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub(crate) fn finding(&self, line: impl Into<Option<usize>>, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line: line.into(), what: what.into() }
    }

    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

/// Every text file that git would take, whether this is a git checkout or not, in order of path.
pub(crate) fn read_all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .require_git(false)
        .parents(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_path(Path::cmp)
        .build();
    for entry in walk {
        let entry = entry.context("cannot list the files of this workspace")?;
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
        let path = entry.path().strip_prefix(root).context("a file outside of the workspace")?;
        // What is no text, such as a picture, has no lines to check.
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_string_lossy().into_owned(), text });
        }
    }
    Ok(sources)
}

/// The file at this path.
pub(crate) fn find<'a>(sources: &'a [Source], path: &str) -> Result<&'a Source> {
    sources.iter().find(|source| source.path == path).with_context(|| format!("there is no {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn the_files_of_this_workspace_and_nothing_that_was_built_or_installed() {
        let sources = read_all(workspace::root()).expect("it can be read");
        let has = |path: &str| sources.iter().any(|source| source.path == path);
        assert!(has("ARCHITECTURE.md") && has(".cargo/config.toml") && has("crates/xtask/src/tidy/source.rs"));
        let foreign =
            |path: &str| ["target/", ".git/", "node_modules/", ".venv/"].iter().any(|part| path.contains(part));
        assert!(!sources.iter().any(|source| foreign(&source.path)));
    }
}
