//! One case against one client: the stage, the program and the script, from start to end.

use super::answering::Server;
use super::program::Program;
use super::script::Script;
use super::{CLIENT, Ending, Host, Stage};
use crate::budget::Budget;
use crate::case::Staged;
use crate::observer::Observer;
use crate::pattern::Variables;
use crate::peer::Transport;
use crate::transcript::Entry;
use crate::verdict::{Finding, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// How long a case may take at most; none comes near it.
const LIMIT: Duration = Duration::from_secs(120);

/// A client under test.
#[derive(Clone)]
pub struct Actor {
    /// Where it is to connect.
    pub host: Rc<Host>,
    /// The command that starts it, with `{url}` and perhaps `{transport}`; none if somebody starts it by hand.
    pub command: Option<String>,
    /// The times of the suite as a server.
    pub budget: Budget,
    /// What it can do, as discovery found.
    pub capabilities: BTreeSet<String>,
    /// Facts that discovery found and that reports show, by name.
    pub facts: BTreeMap<String, String>,
    /// Tells somebody who starts clients by hand which case waits where.
    pub announce: fn(&str, &str),
}

impl Actor {
    /// A client of which nothing is known yet.
    pub fn new(host: Rc<Host>, command: Option<String>, announce: fn(&str, &str)) -> Self {
        let budget = Budget { timeout: Duration::from_secs(3), ..Budget::default() };
        Self { host, command, budget, capabilities: BTreeSet::new(), facts: BTreeMap::new(), announce }
    }

    fn start(&self, url: &str, transport: Transport) -> Result<Option<Program>, String> {
        let Some(command) = &self.command else { return Ok(None) };
        let command = command.replace("{url}", url).replace("{transport}", transport.name());
        Program::start(&command).map(Some).map_err(|error| format!("{command}: {error}"))
    }
}

/// What became of a case.
pub struct Played {
    /// The verdict.
    pub finding: Finding,
    /// What went over the wire.
    pub transcript: Vec<Entry>,
    /// What the steps named.
    pub variables: Variables,
}

/// Runs the steps of a case. `id` is shown to people, `name` is part of the URL.
pub async fn play(
    actor: &Actor,
    observer: &Rc<Observer>,
    transport: Transport,
    steps: &[Staged],
    (id, name): (&str, &str),
) -> Played {
    let (stage, inbox) = Stage::new(transport, observer.clone(), id.to_owned());
    let url = actor.host.url(name);
    actor.host.open(name, stage.clone());
    let program = match actor.start(&url, transport) {
        Ok(program) => program,
        Err(why) => {
            actor.host.close(name);
            let finding = Finding::new(Verdict::Error, why);
            return Played { finding, transcript: Vec::new(), variables: Variables::new() };
        }
    };
    if program.is_none() {
        (actor.announce)(id, &url);
        stage.begun.notified().await;
    }
    let mut script = Script::new(Server::new(stage.clone(), inbox, program, actor.budget.clone()));
    let finding = tokio::time::timeout(LIMIT, script.run(steps))
        .await
        .unwrap_or_else(|_| Finding::new(Verdict::Error, format!("it did not end within {} s", LIMIT.as_secs())));
    if let Some(errors) = script.server.stop().await.filter(|errors| !errors.is_empty()) {
        stage.transcript.note(CLIENT, format!("its standard error:\n{errors}"));
    }
    actor.host.close(name);
    stage.ending.send_replace(Ending::Reset);
    Played { finding, transcript: stage.transcript.entries(), variables: script.server.variables }
}
