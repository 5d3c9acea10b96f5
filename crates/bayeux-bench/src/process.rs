//! The measured process: started on processor 0, its CPU time and memory read from /proc.

use std::{
    collections::VecDeque,
    fs, io,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

use crate::{
    args::{Target, Url},
    counted::Counted,
};

/// Lines of a server's log that are kept for the case that it fails.
const LAST_LINES: usize = 8;
/// Descriptors besides those of sessions.
const OTHER_FILES: u64 = 64;
/// Any port that is free.
pub(crate) const FREE_PORT: &str = "127.0.0.1:0";
/// How long a server may take to end; its own patience is shorter.
const LONGEST_END: Duration = Duration::from_secs(20);

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
            None => Self::serve(&target.server, FREE_PORT, &[]),
        }
    }

    /// Starts the Bayeux server `program` with one worker. `more`: options besides those that every measurement has.
    pub(crate) fn serve(program: &str, listen: &str, more: &[&str]) -> io::Result<Self> {
        let args = ["serve", "--listen", listen, "--workers", "1", "--timeout", "10m"];
        Self::start(program, &[&args[..], more].concat())
    }

    /// Starts `program` on processor 0; this process stays on processor 1. Returns when it says `listening on URL`.
    pub(crate) fn start(program: &str, args: &[&str]) -> io::Result<Self> {
        pin(0)?;
        let child = Command::new(program)
            .args(args)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
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
        let reader = thread::spawn(move || keep_last_lines(stderr, &kept));
        let started = Started { child, log, reader: Some(reader) };
        let mut lines = BufReader::new(stdout.ok_or(io::ErrorKind::BrokenPipe)?).lines();
        for line in lines.by_ref() {
            if let Some(url) = line?.strip_prefix("listening on ") {
                let url = Url::parse(url).map_err(io::Error::other)?;
                // Whatever it prints later must not fill the pipe.
                thread::spawn(move || lines.for_each(drop));
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
        self.status_kib("VmRSS:")
    }

    /// The most that was resident since [`Self::forget_peak`], in KiB.
    pub(crate) fn peak_kib(&self) -> io::Result<u64> {
        self.status_kib("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) -> io::Result<()> {
        let path = format!("/proc/{}/clear_refs", self.pid.unwrap_or_default());
        fs::write(&path, "5").map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
    }

    fn status_kib(&self, field: &str) -> io::Result<u64> {
        let pid = self.pid.ok_or_else(|| io::Error::other("memory needs --pid beside --url"))?;
        status_kib(pid, field)
    }
    /// Asks a server that was started here to end.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        let pid = self.pid.and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.filter(|_| self.was_started_here()).ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(pid, Signal::TERM)?)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.as_mut().map_or(Ok(None), |started| started.child.try_wait())
    }

    /// Asks it to end, waits for that, and returns what it says that it counted.
    pub(crate) fn stop(mut self) -> io::Result<Counted> {
        self.terminate()?;
        let until = Instant::now() + LONGEST_END;
        while self.ended()?.is_none() {
            if Instant::now() > until {
                return Err(self.explain(&io::Error::other("the server does not end")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.last_words()
    }

    /// What a server that has ended says that it counted.
    pub(crate) fn last_words(mut self) -> io::Result<Counted> {
        let said = self.child.take().map(Started::end).unwrap_or_default();
        Counted::parse(&said).ok_or_else(|| io::Error::other(format!("the server did not tell what it counted{said}")))
    }

    /// `error`, with the end of the log of a server that was started here, and which this ends.
    pub(crate) fn explain(&mut self, error: &io::Error) -> io::Error {
        let said = self.child.take().map(Started::end).unwrap_or_default();
        io::Error::new(error.kind(), format!("{error}{said}"))
    }
}

/// Resident memory of a process in KiB.
pub(crate) fn resident_kib(pid: u32) -> io::Result<u64> {
    status_kib(pid, "VmRSS:")
}

fn status_kib(pid: u32, field: &str) -> io::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(|_| io::Error::other(format!("{path} has no {field}")))
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
pub(crate) fn pin(processor: usize) -> io::Result<()> {
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
        let begin = Instant::now();
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
