//! A server while it runs: its script in conformance-tests/targets prints `listening on URL` and ends at SIGTERM.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::workspace;

/// The first start may fetch what is started.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// A server that was started; dropping it ends it and all that it started.
pub(super) struct Running {
    child: Child,
    pub(super) url: String,
}

/// Where a script is.
pub(super) fn script(name: &str) -> PathBuf {
    workspace::root().join("conformance-tests").join(name)
}

/// What a script says that it starts, once it has fetched it.
pub(super) fn version(binary: &Path, name: &str) -> Result<String> {
    let told = Command::new(script(name)).arg("--version").env("BAYEUX_BIN", binary).stderr(Stdio::inherit()).output();
    let told = told.with_context(|| format!("cannot run {}", script(name).display()))?;
    ensure!(told.status.success(), "{name} can't be had: {}", told.status);
    Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

impl Running {
    /// Starts what a script starts, on a free port.
    pub(super) fn start(binary: &Path, name: &str) -> Result<Self> {
        let mut command = Command::new(script(name));
        command.arg("0").env("BAYEUX_BIN", binary).env("RUST_LOG", "warn");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot run {}", script(name).display()))?;
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (told, hears) = mpsc::channel();
        // Reads on to the end, so that the server never waits for somebody who reads what it prints.
        thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                if let Some(url) = line.strip_prefix("listening on ") {
                    // Nobody listens any more if it came too late.
                    let _ = told.send(url.to_owned());
                }
            }
        });
        let mut running = Self { child, url: String::new() };
        match hears.recv_timeout(PATIENCE) {
            Ok(url) => running.url = url,
            Err(_) => bail!("{name} did not say where it listens"),
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it has ended by itself.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
