//! Runs the binary, and ends it with the test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Binary {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// The binary with arguments, not started yet.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bayeux"));
    command.args(args).env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    command(args).output().expect("the binary runs")
}

impl Binary {
    /// A server on a free port that has said where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the binary runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("listening on http://").and_then(|url| url.strip_suffix("/bayeux"));
        let address = address.and_then(|address| address.parse().ok());
        Self { child, address: address.unwrap_or_else(|| panic!("{line:?} is no link")) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it lives");
    }

    /// Waits for its end; returns that, and what it wrote to standard error, if that was piped.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut log).expect("it writes text");
        }
        (self.child.wait().expect("it ends"), log)
    }

    /// Its memory in use, in KiB.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux has it");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it lives");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Closes the reader of its log.
    pub(crate) fn deaf(&mut self) {
        drop(self.child.stderr.take());
    }

    /// Posts a batch on a connection of its own; returns the response.
    pub(crate) fn post(&self, batch: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let length = batch.len();
        let head = format!("POST /bayeux HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n", self.address);
        stream.write_all(format!("{head}Connection: close\r\n\r\n{batch}").as_bytes()).expect("it reads");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("it answers");
        response
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
