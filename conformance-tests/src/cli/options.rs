//! The options that runs against servers and against clients have in common.

use super::{Stopped, usage};
use crate::case::Profile;
use crate::json::{Json, parse};
use crate::peer::Transport;
use crate::run::Choice;
use crate::verdict::Level;
use clap::Args;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

/// Which cases are run, and how.
#[derive(Args)]
pub(super) struct ChoiceArgs {
    /// Only these transports: long-polling, callback-polling, websocket, eventsource, xhr-streaming, iframe
    #[arg(long, value_name = "NAME", value_parser = transport)]
    pub(super) transport: Vec<Transport>,
    /// Only these cases, such as US-003 or US-003[websocket], or clauses; * stands for anything
    #[arg(long, value_name = "PATTERN")]
    pub(super) only: Vec<String>,
    /// Not these cases or clauses, likewise
    #[arg(long, value_name = "PATTERN")]
    pub(super) skip: Vec<String>,
    /// Only cases of this level or a stricter one: may, should, must
    #[arg(long, value_name = "LEVEL", default_value = "may", value_parser = level)]
    pub(super) level: Level,
    /// What to conform to, beside the published text: base, cometd, faye, hardened, or all
    #[arg(long, value_name = "NAME", default_value = "base", value_delimiter = ',')]
    pub(super) profile: Vec<String>,
    /// How many cases run side by side: 24 against a server, 12 against a client
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(super) jobs: Option<usize>,
    /// The seed of their order; chosen and printed if none is given
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Print the selected cases and run none
    #[arg(long)]
    pub(super) list: bool,
}

/// What is told of a run.
#[derive(Args)]
pub(super) struct ToldArgs {
    /// The implementation's name and version, for the reports
    #[arg(long, value_name = "NAME", default_value = "the implementation")]
    pub(super) name: String,
    /// Files to write: html=FILE, json=FILE, junit=FILE, markdown=FILE
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',', value_parser = report)]
    pub(super) report: Vec<(String, PathBuf)>,
    /// A file of findings that are known, each with its reason
    #[arg(long, value_name = "FILE")]
    pub(super) expect: Option<PathBuf>,
    /// Print what went over the wire in each case that did not pass
    #[arg(short, long)]
    pub(super) verbose: bool,
}

impl ChoiceArgs {
    pub(super) fn choice(&self, jobs: usize) -> Result<Choice, Stopped> {
        Ok(Choice {
            only: self.only.clone(),
            skip: self.skip.clone(),
            level: self.level,
            profiles: profiles(&self.profile)?,
            transports: self.transport.iter().copied().collect(),
            jobs,
            seed: self.seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
        })
    }
}

/// A file for a report. It is open before the run begins: what can't be written is known before minutes have passed.
pub(super) struct ReportFile {
    pub(super) kind: String,
    path: PathBuf,
    file: File,
    /// It was not there before, and nothing is in it yet.
    is_empty: bool,
}

impl Drop for ReportFile {
    fn drop(&mut self) {
        if self.is_empty {
            // A run that never began has no report; where the file can't be removed it is empty.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl ReportFile {
    /// What such a file held before stays there until there is something to write.
    pub(super) fn open(reports: &[(String, PathBuf)]) -> Result<Vec<Self>, Stopped> {
        let mut files: Vec<Self> = Vec::new();
        for (kind, path) in reports {
            let wrong = |why: &dyn std::fmt::Display| usage(format!("{}: {why}", path.display()));
            let is_empty = !path.exists();
            let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
            let file = file.map_err(|error| wrong(&error))?;
            let one = Self { kind: kind.clone(), path: path.clone(), file, is_empty };
            let place = path.canonicalize().map_err(|error| wrong(&error))?;
            if files.iter().any(|other| other.path.canonicalize().is_ok_and(|other| other == place)) {
                return Err(wrong(&"two reports can't be one file"));
            }
            files.push(one);
        }
        Ok(files)
    }

    pub(super) fn write(mut self, text: &str) -> Result<(), Stopped> {
        // A pipe has no length.
        let emptied = if self.file.metadata().is_ok_and(|data| data.is_file()) { self.file.set_len(0) } else { Ok(()) };
        let written = emptied.and_then(|()| self.file.write_all(text.as_bytes()));
        self.is_empty = false;
        written.map_err(|error| usage(format!("{}: {error}", self.path.display())))
    }
}

/// What each request has already, as it needs it.
const WRITTEN: [&str; 6] = ["Host", "Content-Length", "Transfer-Encoding", "Content-Type", "Connection", "Upgrade"];

/// A head field for every request.
pub(super) fn header(field: &str) -> Result<(String, String), Stopped> {
    let wrong = |what: &str| usage(format!("--header {field:?}: {what}"));
    if field.contains(|letter: char| letter.is_control() && letter != '\t') {
        return Err(wrong("a head field is one line, without control characters"));
    }
    let (name, value) = field.split_once(':').ok_or_else(|| wrong("a head field is NAME: VALUE"))?;
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    if name.is_empty() || !name.chars().all(is_token) {
        return Err(wrong("its name is none"));
    }
    if WRITTEN.iter().any(|written| name.eq_ignore_ascii_case(written)) {
        return Err(wrong("the suite writes this field itself"));
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// An object for the ext of every handshake.
pub(super) fn ext(text: &str) -> Result<Json, Stopped> {
    let value = parse(text.as_bytes()).map_err(|error| usage(format!("--ext: {error}")))?.value;
    if value.as_object().is_none() {
        return Err(usage(format!("--ext is an object, not {value}")));
    }
    Ok(value)
}

fn transport(name: &str) -> Result<Transport, String> {
    Transport::parse(name).ok_or_else(|| format!("the suite speaks {}", Transport::ALL.map(Transport::name).join(", ")))
}

fn jobs(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|jobs| *jobs > 0).ok_or_else(|| "it is a number above 0".into())
}

fn level(name: &str) -> Result<Level, String> {
    Level::parse(name).ok_or_else(|| "it is one of may, should, must".into())
}

fn report(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((kind @ ("html" | "json" | "junit" | "markdown"), file)) if !file.is_empty() => {
            Ok((kind.to_owned(), file.into()))
        }
        _ => Err("it is html=FILE, json=FILE, junit=FILE or markdown=FILE".into()),
    }
}

fn profiles(names: &[String]) -> Result<BTreeSet<Profile>, Stopped> {
    if names.iter().any(|name| name == "all") {
        return Ok(Profile::ALL.into());
    }
    names
        .iter()
        .map(|name| {
            Profile::parse(name).ok_or_else(|| {
                usage(format!("no profile is called {name:?}: {}, all", Profile::ALL.map(|p| p.to_string()).join(", ")))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why<T>(found: Result<T, Stopped>) -> Option<String> {
        found.err().map(|(_, why)| why)
    }

    #[test]
    fn a_head_field_is_one_line_with_a_name() {
        assert_eq!(header("X-Key: a:b").ok(), Some(("X-Key".into(), "a:b".into())));
        assert_eq!(why(header("X-Key")).as_deref(), Some(r#"--header "X-Key": a head field is NAME: VALUE"#));
        for field in ["X: a\r\nY: b", "X: a\n", "X: a\0", ": a", "X Y: a", "host: a", "Content-Length: 3"] {
            assert!(why(header(field)).is_some_and(|why| why.lines().count() == 1), "{field}");
        }
    }

    #[test]
    fn an_ext_is_an_object() {
        assert!(ext(r#"{"token":"t"}"#).is_ok());
        assert_eq!(why(ext("[1]")).as_deref(), Some("--ext is an object, not [1]"));
        assert!(why(ext("{")).is_some());
    }

    #[test]
    fn a_report_that_can_not_be_written_is_known_at_once_and_an_old_one_stays_until_there_is_a_new_one() {
        let folder = std::env::temp_dir().join(format!("bayeux-report-{}", std::process::id()));
        let inside = |name: &str| ("json".to_owned(), folder.join(name));
        assert!(ReportFile::open(&[inside("a.json")]).is_err(), "the folder is not there");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("a.json"), "older and longer").expect("a file");
        let Ok(files) = ReportFile::open(&[inside("a.json")]) else { panic!("it can be written") };
        let read = || std::fs::read_to_string(folder.join("a.json")).expect("it is there");
        assert_eq!(read(), "older and longer");
        assert!(ReportFile::open(&[inside("b.json"), inside("./b.json")]).is_err(), "one is there twice");
        assert!(!folder.join("b.json").exists(), "a run that never began leaves no file");
        files.into_iter().for_each(|file| assert!(file.write("new").is_ok()));
        assert_eq!(read(), "new");
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }
}
