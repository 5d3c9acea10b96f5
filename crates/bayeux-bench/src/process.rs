//! The measured process: started on processor 0, its CPU time and memory read from /proc.

use std::{
    fs, io,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use rustix::thread::{CpuSet, sched_setaffinity};

/// A child process that prints `listening on URL` when it is ready. Killed on drop.
pub(crate) struct Server {
    child: Child,
    /// `127.0.0.1:port`
    pub(crate) address: String,
    /// The endpoint's path.
    pub(crate) path: String,
}

impl Server {
    /// Starts `program` on processor 0; this process stays on processor 1.
    pub(crate) fn start(program: &str, args: &[&str]) -> io::Result<Self> {
        pin(0)?;
        let child = Command::new(program).args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        pin(1)?;
        let mut child =
            child.map_err(|error| io::Error::new(error.kind(), format!("can't start {program}: {error}")))?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        for line in BufReader::new(stdout).lines() {
            if let Some(rest) = line?.strip_prefix("listening on http://") {
                let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
                return Ok(Self { child, address: address.to_owned(), path: format!("/{path}") });
            }
        }
        Err(io::Error::other(format!("{program} ended before it was ready")))
    }

    /// CPU time of all its threads in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> io::Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            sum += text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(sum)
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        Ok(line.trim().trim_end_matches(" kB").parse().unwrap_or(0))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pins this thread, and what it starts, to one processor.
fn pin(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).map_err(|error| {
        io::Error::new(error.kind(), format!("can't run on processor {processor}: two processors are needed ({error})"))
    })
}
