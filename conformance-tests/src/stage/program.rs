//! The program under test: started anew for each case, in a process group of its own, which is ended with the case.

use rustix::process::{Pid, Signal, kill_process_group};
use std::cell::RefCell;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How much of what it writes to its standard error is kept: the end.
const KEPT: usize = 8 << 10;
/// How long it may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(1);

/// A program that runs.
pub(super) struct Program {
    child: Child,
    group: Option<Pid>,
    errors: Rc<RefCell<Vec<u8>>>,
}

impl Program {
    /// Starts a command of the shell.
    pub(super) fn start(command: &str) -> std::io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).process_group(0).kill_on_drop(true);
        let mut child = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let errors = Rc::<RefCell<Vec<u8>>>::default();
        if let Some(mut stderr) = child.stderr.take() {
            let errors = errors.clone();
            tokio::task::spawn_local(async move {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
                    let mut kept = errors.borrow_mut();
                    kept.extend_from_slice(&buffer[..count]);
                    let over = kept.len().saturating_sub(KEPT);
                    kept.drain(..over);
                }
            });
        }
        Ok(Self { child, group, errors })
    }

    /// Waits until it ends by itself, and says how. Cancel-safe.
    pub(super) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => format!("the program ended: {status}"),
            Err(error) => format!("the program ended: {error}"),
        }
    }

    /// Ends it, and returns the end of what it wrote to its standard error.
    pub(super) async fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        // One that does not end by itself is ended below.
        let _ = timeout(GRACE, self.child.wait()).await;
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
        String::from_utf8_lossy(&self.errors.borrow()).into_owned()
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // The group is gone once all of its processes are.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
