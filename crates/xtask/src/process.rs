//! Runs other programs: their output is shown as it comes, and one that takes too long is ended with all it started.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

/// How a program ended, and what it wrote on standard output.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) how: How,
    pub(crate) stdout: String,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Success,
    /// With an exit code or by a signal, in words.
    Failure(String),
    /// It was still running after this time.
    TimedOut(Duration),
}

/// The process groups of the programs that run at the moment. Each program has a group of its own, so that what it started
/// can be ended with it; the terminal's Ctrl-C reaches our own group only.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A program that runs beside us, and is ended with all it started when this is dropped.
pub(crate) struct Background {
    child: Child,
    group: Pid,
}

impl Background {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let (child, group) = spawn(command)?;
        Ok(Self { child, group })
    }

    /// What it prints.
    pub(crate) fn stdout(&mut self) -> &mut ChildStdout {
        self.child.stdout.as_mut().expect("it is piped")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        end(self.group);
        // It was killed; there is nothing to learn from how it ended.
        let _ = self.child.wait();
        forget(self.group);
    }
}

/// From now on Ctrl-C, SIGTERM and SIGHUP end the running programs too.
pub(crate) fn end_children_with_us() -> Result<()> {
    ctrlc::set_handler(|| {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().for_each(end);
        std::process::exit(130);
    })
    .context("cannot listen for Ctrl-C")
}

/// Runs a program to its end, at most for `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Ended> {
    run_into(&mut std::io::stdout(), command, limit)
}

/// The same, but shows nothing of what it prints on standard output unless it fails.
pub(crate) fn run_quietly(command: &mut Command, limit: Duration) -> Result<Ended> {
    let ended = run_into(&mut std::io::sink(), command, limit)?;
    if ended.how != How::Success {
        println!("{}", ended.stdout.trim_end());
    }
    Ok(ended)
}

/// The same, and shows nothing of what it prints, not even if it fails.
pub(crate) fn run_unseen(command: &mut Command, limit: Duration) -> Result<Ended> {
    run_into(&mut std::io::sink(), command.stderr(Stdio::null()), limit)
}

fn spawn(command: &mut Command) -> Result<(Child, Pid)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let group = Pid::from_child(&child);
    running.push(group);
    Ok((child, group))
}

fn forget(group: Pid) {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != group);
}

fn run_into(terminal: &mut impl Write, command: &mut Command, limit: Duration) -> Result<Ended> {
    let (mut child, group) = spawn(command)?;
    let (finished, waiting) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        let late = waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        if late {
            end(group);
        }
        late
    });
    let stdout = show(terminal, &mut child);
    let status = child.wait().context("cannot wait for a program that was started")?;
    drop(finished);
    forget(group);
    let late = watchdog.join().expect("the watchdog does not panic");
    let how = if late {
        How::TimedOut(limit)
    } else if status.success() {
        How::Success
    } else {
        How::Failure(status.to_string())
    };
    Ok(Ended { how, stdout: stdout? })
}

/// What a program prints when asked for something quick, such as its version; nothing if it fails or is not there.
pub(crate) fn probe(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Passes the program's standard output on, line by line, and keeps it.
fn show(terminal: &mut impl Write, child: &mut Child) -> Result<String> {
    let mut all = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("cannot read a program's output")? > 0 {
        terminal.write_all(&line).and_then(|()| terminal.flush()).context("cannot write to standard output")?;
        all.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(all)
}

fn end(group: Pid) {
    // It fails only if the group has ended by itself.
    let _ = kill_process_group(group, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str, limit: Duration) -> Ended {
        let mut terminal = Vec::new();
        let ended = run_into(&mut terminal, Command::new("sh").args(["-c", script]), limit).expect("sh runs");
        assert_eq!(ended.stdout.as_bytes(), terminal);
        ended
    }

    #[test]
    fn what_it_prints_and_how_it_ends_is_known() {
        let ended = shell("echo one; echo two", Duration::from_secs(60));
        assert_eq!(ended.how, How::Success);
        assert_eq!(ended.stdout, "one\ntwo\n");
        let ended = shell("exit 3", Duration::from_secs(60));
        assert_eq!(ended.how, How::Failure("exit status: 3".to_owned()));
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_it_started() {
        let begun = Instant::now();
        // The inner one holds standard output open: if it lived on, this would wait for it.
        let ended = shell("echo begun; sleep 600 & sleep 600", Duration::from_millis(200));
        assert_eq!(ended.how, How::TimedOut(Duration::from_millis(200)));
        assert_eq!(ended.stdout, "begun\n");
        assert!(begun.elapsed() < Duration::from_secs(300));
    }

    #[test]
    fn what_runs_beside_us_is_ended_with_all_it_started() {
        let begun = Instant::now();
        let mut program = Command::new("sh");
        let mut beside = Background::start(program.args(["-c", "echo ready; sleep 600 & sleep 600"])).expect("sh runs");
        let mut stdout = BufReader::new(beside.child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it prints a line");
        assert_eq!(line, "ready\n");
        drop(beside);
        // The inner one holds standard output open: this ends only when both have.
        assert_eq!(stdout.read_line(&mut line).expect("it ends"), 0);
        assert!(begun.elapsed() < Duration::from_secs(300));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("no-such-program-here"), Duration::from_secs(60)).expect_err("not there");
        assert_eq!(error.to_string(), "cannot run no-such-program-here");
        assert_eq!(probe("no-such-program-here", &[]), None);
        assert_eq!(probe("echo", &["a"]), Some("a".to_owned()));
    }
}
