//! `client`: the suite as a server, for programs that it starts, or for clients that somebody drives by hand.

use super::options::{ChoiceArgs, ToldArgs};
use super::{EXIT_UNREACHABLE, Prepared, Stopped, print, usage, within_runtime};
use crate::run::{Outcome, Progress, Subject};
use crate::stage::{Actor, Host, discover};
use clap::Args;
use std::rc::Rc;

/// Exit code: 0 if every selected case reached a verdict and none failed unexpectedly, 1 otherwise, 2 for a wrong
/// command line, 3 if the program does not reach a server.
#[derive(Args)]
pub(super) struct ClientArgs {
    /// The command that starts the client; {url} stands for where it is to connect, {transport} for how. It does what events on
    /// /conformance/do say, see "The program under test" in the README. Without it --listen says where to wait for clients
    #[arg(long, value_name = "COMMAND", required_unless_present_any = ["listen", "list"])]
    exec: Option<String>,
    /// Where to listen. Without a command, each case waits there for a client that is driven by hand
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Multiplies whatever is waited for at most
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    timeout_scale: f64,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    told: ToldArgs,
}

/// Tells the verdict of each case as soon as it has ended: somebody is waiting for it.
struct Aloud;

impl Progress for Aloud {
    fn done(&self, outcome: &Outcome, count: usize, of: usize) {
        let (verdict, reason) = (outcome.finding.verdict, &outcome.finding.reason);
        print(&format!("{verdict} {} ({count} of {of}) {reason}\n", outcome.instance.id()));
    }
}

pub(super) fn client(args: ClientArgs) -> Result<u8, Stopped> {
    if !(args.timeout_scale.is_finite() && args.timeout_scale > 0.0) {
        return Err(usage("--timeout-scale is a number above 0"));
    }
    if args.exec.as_deref().is_some_and(|command| command.trim().is_empty()) {
        return Err(usage("--exec is empty: it is the command that starts the client"));
    }
    let by_hand = args.exec.is_none();
    // Each case starts a program, and interpreters take more than a case does.
    let jobs = args.choice.jobs.unwrap_or(12);
    let mut run = Prepared::new(&args.choice, args.told, jobs)?;
    let list = args.choice.list;
    within_runtime(async {
        let address = args.listen.as_deref().unwrap_or("127.0.0.1:0");
        let host = Host::start(address).await.map_err(|error| usage(format!("{address}: {error}")))?;
        let mut actor = Actor::new(host, args.exec, |id, url| print(&format!("{id} waits at {url}\n")));
        actor.budget.scale = args.timeout_scale;
        if list {
            return run.list(Subject::Client(Rc::new(actor)));
        }
        run.check(&Subject::Client(Rc::new(actor.clone())))?;
        let actor = discover(actor).await.map_err(|why| (EXIT_UNREACHABLE, why))?;
        if by_hand {
            // All wait at once, for whichever somebody tries.
            run.choice.jobs = usize::MAX;
        }
        let progress: Rc<dyn Progress> = if by_hand { Rc::new(Aloud) } else { Rc::new(super::Terminal::new()) };
        run.run(Subject::Client(Rc::new(actor)), progress).await
    })
}
