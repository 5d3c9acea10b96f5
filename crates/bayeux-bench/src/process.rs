//! The measured process: started on processor 0, its CPU time and memory read from /proc.

use std::{
    collections::VecDeque,
    fs, io,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

use crate::args::{Target, Url};

/// Lines of a server's log that are kept for the case that it fails.
const LAST_LINES: usize = 8;
/// Descriptors besides those of sessions.
const OTHER_FILES: u64 = 64;

/// A server that is measured. If it was started here, it is killed on drop.
pub(crate) struct Server {
    pub(crate) url: Url,
    pid: Option<u32>,
    child: Option<Started>,
}

struct Started {
    child: Child,
    log: Arc<Mutex<VecDeque<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the program that `target` names, or takes the server that runs already.
    pub(crate) fn of(target: &Target) -> io::Result<Self> {
        match &target.url {
            Some(url) => {
                pin(1)?;
                Ok(Self { url: url.clone(), pid: target.pid, child: None })
            }
            None => {
                Self::start(&target.server, &["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--timeout", "10m"])
            }
        }
    }

    /// Starts `program` on processor 0; this process stays on processor 1. Returns when it says `listening on URL`.
    pub(crate) fn start(program: &str, args: &[&str]) -> io::Result<Self> {
        pin(0)?;
        let child = Command::new(program)
            .args(args)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        pin(1)?;
        let mut child = child.map_err(|error| {
            io::Error::new(error.kind(), format!("can't start {program}: {error} (`cargo build --release` makes it)"))
        })?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let log = Arc::<Mutex<VecDeque<String>>>::default();
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || keep_last_lines(stderr, &kept));
        let started = Started { child, log, reader: Some(reader) };
        let mut lines = BufReader::new(stdout.ok_or(io::ErrorKind::BrokenPipe)?).lines();
        for line in lines.by_ref() {
            if let Some(url) = line?.strip_prefix("listening on ") {
                let url = Url::parse(url).map_err(io::Error::other)?;
                // Whatever it prints later must not fill the pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Self { url, pid: Some(started.child.id()), child: Some(started) });
            }
        }
        let said = started.end();
        Err(io::Error::other(format!("{program} ended before it was ready{said}")))
    }

    /// Whether CPU time and memory can be read.
    pub(crate) fn is_visible(&self) -> bool {
        self.pid.is_some()
    }

    pub(crate) fn was_started_here(&self) -> bool {
        self.child.is_some()
    }

    /// What all its threads have used; `None` without a process id.
    pub(crate) fn usage(&self) -> io::Result<Option<Usage>> {
        self.pid.map(Usage::of).transpose()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> io::Result<u64> {
        let pid = self.pid.ok_or_else(|| io::Error::other("memory needs --pid beside --url"))?;
        let path = format!("/proc/{pid}/status");
        let text =
            fs::read_to_string(&path).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().map_err(|_| io::Error::other(format!("{path} has no VmRSS")))
    }

    /// `error`, with the end of the log of a server that was started here, and which this ends.
    pub(crate) fn explain(&mut self, error: &io::Error) -> io::Error {
        let said = self.child.take().map(Started::end).unwrap_or_default();
        io::Error::new(error.kind(), format!("{error}{said}"))
    }
}

/// What a process has used of the processor, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) ran: u64,
    /// Ready to run while something else ran.
    pub(crate) waited: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .map_err(|error| io::Error::new(error.kind(), format!("process {pid}: {error}")))?;
        let mut sum = Self::default();
        for task in tasks {
            let path = task?.path().join("schedstat");
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                // The thread has ended since the list was read.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => continue,
                Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            };
            let task = Self::parse(&text);
            let task = task.ok_or_else(|| io::Error::other(format!("{} reads {text:?}", path.display())))?;
            sum = Self { ran: sum.ran + task.ran, waited: sum.waited + task.waited };
        }
        Ok(sum)
    }

    fn parse(schedstat: &str) -> Option<Self> {
        let mut numbers = schedstat.split_ascii_whitespace().map(str::parse);
        Some(Self { ran: numbers.next()?.ok()?, waited: numbers.next()?.ok()? })
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        // The time of a thread that ended meanwhile is gone.
        Self { ran: self.ran.saturating_sub(earlier.ran), waited: self.waited.saturating_sub(earlier.waited) }
    }
}

impl Started {
    /// Ends the process; returns what its log said last, ready to be appended to a sentence.
    fn end(mut self) -> String {
        let _ = self.child.kill();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.is_empty() {
            return String::new();
        }
        let lines: String = log.iter().map(|line| format!("\n  {line}")).collect();
        format!("; the last lines of its log:{lines}")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep_last_lines(stderr: Option<impl io::Read>, kept: &Mutex<VecDeque<String>>) {
    for line in stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).lines()).map_while(Result::ok) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == LAST_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

/// Makes room for `sessions` sockets in this process and in what it starts.
pub(crate) fn allow_files(sessions: u64) -> io::Result<()> {
    let needed = sessions + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let maximum = maximum.map(|maximum| maximum.max(needed));
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).map_err(|error| {
        let limit = getrlimit(Resource::Nofile).maximum.unwrap_or_default();
        io::Error::other(format!(
            "{sessions} sessions need {needed} open files and at most {limit} are allowed ({error}): raise the hard limit \
             (`ulimit -Hn`) or take fewer sessions"
        ))
    })
}

/// Pins this thread, and what it starts, to one processor.
fn pin(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).map_err(|error| {
        io::Error::other(format!("can't run on processor {processor}: processors 0 and 1 are needed ({error})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_this_process_is_read_and_grows() {
        let before = Usage::of(std::process::id()).expect("/proc");
        let mut usage = before;
        let begin = std::time::Instant::now();
        while usage.ran == before.ran && begin.elapsed() < crate::PATIENCE {
            usage = Usage::of(std::process::id()).expect("/proc");
        }
        assert!(usage.since(before).ran > 0, "{before:?} {usage:?}");
        assert_eq!(Usage::parse("12 34 5\n"), Some(Usage { ran: 12, waited: 34 }));
        assert_eq!(Usage::parse(""), None);
    }

    #[test]
    fn what_a_program_says_before_it_fails_is_told() {
        let Err(error) = Server::start("sh", &["-c", "echo no port is free >&2"]) else {
            panic!("it never said that it is ready");
        };
        let text = error.to_string();
        assert!(text.contains("ended before it was ready") && text.ends_with("\n  no port is free"), "{text}");
    }
}
