//! Where the inputs of a target are: those in the repository, those that failed once, and the ones of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::workspace;

/// The directories of one target, all of which are there.
#[derive(Debug)]
pub(super) struct Corpus {
    /// In the repository, small.
    pub(super) kept: PathBuf,
    /// In the repository: inputs that broke a promise once.
    pub(super) regressions: PathBuf,
    /// Words that such inputs are made of.
    pub(super) dictionary: PathBuf,
    /// Whatever was found on this machine, so that fuzzing goes on where it ended.
    pub(super) working: PathBuf,
    fewest: PathBuf,
}

/// The directory of the crate with the targets.
pub(super) fn root() -> PathBuf {
    workspace::root().join("crates/bayeux-fuzz")
}

/// The files in a directory, by name.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.with_context(|| format!("cannot list {}", directory.display()))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    Ok(paths)
}

impl Corpus {
    pub(super) fn of(target: &str) -> Result<Self> {
        let machine = workspace::metadata()?.target_directory.join("fuzz");
        let corpus = Self {
            kept: root().join("corpus").join(target),
            regressions: root().join("regressions").join(target),
            dictionary: root().join("dictionaries").join(target).with_extension("dict"),
            working: machine.join("corpus").join(target),
            fewest: machine.join("fewest").join(target),
        };
        for directory in [&corpus.kept, &corpus.regressions, &corpus.working] {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        Ok(corpus)
    }

    /// A directory for the fewest inputs, with nothing in it yet but those that have a name.
    pub(super) fn prepare_fewest(&self) -> Result<PathBuf> {
        let directory = &self.fewest;
        let removed = if directory.exists() { fs::remove_dir_all(directory) } else { Ok(()) };
        removed
            .and_then(|()| fs::create_dir_all(directory))
            .with_context(|| format!("cannot empty {}", directory.display()))?;
        for path in files(&self.kept)?.iter().filter(|path| !is_named_by_hash(path)) {
            copy(path, directory)?;
        }
        Ok(directory.clone())
    }

    /// The fewest inputs take the place of the ones in the repository.
    pub(super) fn replace_by_fewest(&self) -> Result<()> {
        let fewest = files(&self.fewest)?;
        for path in files(&self.kept)? {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        for path in fewest {
            copy(&path, &self.kept)?;
        }
        Ok(())
    }
}

/// libFuzzer names an input by 40 hexadecimal digits.
fn is_named_by_hash(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.len() == 40 && name.iter().all(u8::is_ascii_hexdigit)
}

fn copy(path: &Path, into: &Path) -> Result<()> {
    let to = into.join(path.file_name().context("a file without a name")?);
    fs::copy(path, &to).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(())
}
