//! Chooses cases and runs them side by side, in an order that a seed shuffles. What failed while the machine was too
//! busy is tried once more, and is inconclusive if that tells nothing either.

use super::script;
use crate::case::{Case, Kind, Profile, Role};
use crate::observer::Observer;
use crate::peer::{PUBLISH_ACK, STREAM_CONNECT, Transport};
use crate::scene::Scene;
use crate::stage::{Actor, play};
use crate::target::Target;
use crate::transcript::Entry;
use crate::verdict::{Finding, Level, Verdict};
use crate::wire::WireError;
use crate::wire::stream::Stream;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// How late a timer may fire before the machine counts as too busy to judge times.
const TOO_BUSY: Duration = Duration::from_millis(250);

/// How often, and after what pauses, a connection is tried before a server counts as gone: one that is started again is back by then.
const AWAY_TRIES: usize = 15;
const AWAY_PAUSE: Duration = Duration::from_millis(200);

/// Which cases are run, and how.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Ids of cases, of instances or of clauses, with `*` for anything; all if there are none.
    pub only: Vec<String>,
    /// Those to leave out, likewise.
    pub skip: Vec<String>,
    /// The least level.
    pub level: Level,
    /// The profiles; cases of `base` always belong to them.
    pub profiles: BTreeSet<Profile>,
    /// The transports; all that the suite speaks if there are none.
    pub transports: BTreeSet<Transport>,
    /// How many cases run side by side.
    pub jobs: usize,
    /// The seed of their order and of chance within them.
    pub seed: u64,
}

/// A case over one transport.
#[derive(Clone)]
pub struct Instance {
    /// The case.
    pub case: Rc<Case>,
    /// The transport.
    pub transport: Transport,
}

impl Instance {
    /// `HS-006[websocket]`; a rule for the whole run has no transport.
    pub fn id(&self) -> String {
        match self.case.kind {
            Kind::Whole(_) => self.case.id.clone(),
            _ => format!("{}[{}]", self.case.id, self.transport),
        }
    }
}

impl Instance {
    /// Whether a pattern of `--only` or `--skip` means it: by its id, that of its case, or one of a clause.
    fn is_named(&self, pattern: &str) -> bool {
        like(pattern, &self.id()) || self.case.is_named(pattern)
    }
}

/// What became of an instance.
#[derive(Clone)]
pub struct Outcome {
    /// Case and transport.
    pub instance: Instance,
    /// Verdict and reason.
    pub finding: Finding,
    /// What went over the wire, unless it passed.
    pub transcript: Vec<Entry>,
    /// How long it took.
    pub took: Duration,
}

/// Who is asked.
#[derive(Clone)]
pub enum Subject {
    /// A server.
    Server(Rc<Target>),
    /// A client.
    Client(Rc<Actor>),
}

impl Subject {
    /// Which cases are about it.
    pub fn role(&self) -> Role {
        match self {
            Self::Server(_) => Role::Server,
            Self::Client(_) => Role::Client,
        }
    }

    /// Where it is, or how it is started.
    pub fn name(&self) -> &str {
        match self {
            Self::Server(target) => target.url.as_str(),
            Self::Client(actor) => actor.command.as_deref().unwrap_or("a client that is started by hand"),
        }
    }

    /// What it can do.
    pub fn capabilities(&self) -> &BTreeSet<String> {
        match self {
            Self::Server(target) => &target.capabilities,
            Self::Client(actor) => &actor.capabilities,
        }
    }

    /// What was found of it.
    pub fn facts(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Server(target) => &target.facts,
            Self::Client(actor) => &actor.facts,
        }
    }
}

/// All instances of a choice, and who is asked.
pub struct Suite {
    /// In the order of the case files.
    pub instances: Vec<Instance>,
    /// Those that there are beside them, for other choices.
    pub left_out: Vec<Instance>,
    /// Who is asked, with what was found of it.
    pub subject: Subject,
    /// The choice that was made.
    pub choice: Choice,
}

/// What is told while cases run.
pub trait Progress {
    /// A case is done; so many of all are.
    fn done(&self, outcome: &Outcome, count: usize, of: usize);
}

impl Suite {
    /// The instances of these cases that the choice selects. The error names a pattern that is about none.
    pub fn new(cases: Vec<Case>, subject: Subject, choice: Choice) -> Result<Self, String> {
        let cases = cases.into_iter().filter(|case| case.role() == subject.role()).map(Rc::new);
        let all = cases.flat_map(|case| {
            let transports = case.transports.clone();
            transports.into_iter().map(move |transport| Instance { case: case.clone(), transport })
        });
        let all: Vec<Instance> = all.collect();
        let unknown = |pattern: &&String| !all.iter().any(|instance| instance.is_named(pattern));
        if let Some(pattern) = choice.only.iter().chain(&choice.skip).find(unknown) {
            return Err(format!("no case about a {} is like {pattern:?}", subject.role()));
        }
        let (instances, left_out) = all.into_iter().partition(|instance| {
            let whole = matches!(instance.case.kind, Kind::Whole(_));
            let spoken = whole || choice.transports.is_empty() || choice.transports.contains(&instance.transport);
            spoken && choice.selects(instance)
        });
        Ok(Self { instances, left_out, subject, choice })
    }
}

impl Choice {
    fn selects(&self, instance: &Instance) -> bool {
        let named = |patterns: &[String]| patterns.iter().any(|pattern| instance.is_named(pattern));
        (self.only.is_empty() || named(&self.only))
            && !named(&self.skip)
            && instance.case.level >= self.level
            && (instance.case.profile == Profile::Base || self.profiles.contains(&instance.case.profile))
    }
}

/// Whether a text is like a pattern in which `*` stands for anything.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|left| {
            (0..=left.len()).filter(|at| left.is_char_boundary(*at)).any(|at| like(rest, &left[at..]))
        }),
    }
}

/// What came of a run.
pub struct Ran {
    /// In the order of the instances.
    pub outcomes: Vec<Outcome>,
    /// After which instance nobody listened any more; what was still to be asked then is blocked.
    pub gone: Option<String>,
}

/// Runs all instances. Must run within a [`tokio::task::LocalSet`].
pub async fn run(suite: &Suite, progress: Rc<dyn Progress>) -> Ran {
    let mut random = fastrand::Rng::with_seed(suite.choice.seed);
    let (whole, mut single): (Vec<usize>, Vec<usize>) =
        (0..suite.instances.len()).partition(|index| matches!(suite.instances[*index].case.kind, Kind::Whole(_)));
    random.shuffle(&mut single);
    let shared = Rc::new(Shared {
        queue: RefCell::new(single.into()),
        outcomes: RefCell::new(suite.instances.iter().map(|_| None).collect()),
        observer: Rc::default(),
        canary: Canary::default(),
        seed: suite.choice.seed,
        run: format!("{:08x}", random.u32(..)),
        count: Cell::new(0),
        gone: RefCell::new(None),
        progress,
    });
    let canary = tokio::task::spawn_local(watch(shared.clone()));
    let workers: Vec<_> = (0..suite.choice.jobs.clamp(1, suite.instances.len().max(1)))
        .map(|_| {
            let (shared, instances, subject) = (shared.clone(), suite.instances.clone(), suite.subject.clone());
            tokio::task::spawn_local(async move { work(&shared, &instances, &subject).await })
        })
        .collect();
    for worker in workers {
        // A panic in a case is a defect of the suite; the cases that this worker did not get to say so themselves.
        let _ = worker.await;
    }
    canary.abort();
    for index in whole {
        let instance = suite.instances[index].clone();
        let Kind::Whole(rule) = instance.case.kind else { continue };
        let (finding, transcript) = (shared.observer.finding(rule), shared.observer.transcript(rule));
        shared.finish(index, Outcome { instance, finding, transcript, took: Duration::ZERO });
    }
    let gone = shared.gone.take();
    let missed = |instance: &Instance| match &gone {
        None => lost(instance),
        Some(since) => {
            let finding = Finding::new(Verdict::Blocked, format!("no connection could be made since {since}"));
            Outcome { finding, ..lost(instance) }
        }
    };
    let outcomes = shared.outcomes.take().into_iter().zip(&suite.instances);
    Ran { outcomes: outcomes.map(|(outcome, instance)| outcome.unwrap_or_else(|| missed(instance))).collect(), gone }
}

struct Shared {
    queue: RefCell<VecDeque<usize>>,
    outcomes: RefCell<Vec<Option<Outcome>>>,
    observer: Rc<Observer>,
    canary: Canary,
    seed: u64,
    run: String,
    count: Cell<usize>,
    gone: RefCell<Option<String>>,
    progress: Rc<dyn Progress>,
}

impl Shared {
    fn finish(&self, index: usize, outcome: Outcome) {
        self.count.set(self.count.get() + 1);
        let total = self.outcomes.borrow().len();
        self.progress.done(&outcome, self.count.get(), total);
        self.outcomes.borrow_mut()[index] = Some(outcome);
    }
}

fn lost(instance: &Instance) -> Outcome {
    let finding = Finding::new(Verdict::Error, "the suite broke down in this case");
    Outcome { instance: instance.clone(), finding, transcript: Vec::new(), took: Duration::ZERO }
}

async fn work(shared: &Rc<Shared>, instances: &[Instance], subject: &Subject) {
    loop {
        let Some(index) = shared.queue.borrow_mut().pop_front() else { return };
        let instance = &instances[index];
        let mut outcome = attempt(shared, instance, subject, 0).await;
        if let Some(busy) = outcome.1.filter(|_| outcome.0.finding.verdict == Verdict::Fail) {
            outcome = attempt(shared, instance, subject, 1).await;
            if outcome.0.finding.verdict == Verdict::Fail && outcome.1.is_some() {
                let reason = format!("timers fired {} ms late; {}", busy.as_millis(), outcome.0.finding.reason);
                outcome.0.finding = Finding::unsure(reason);
            }
        }
        if let Subject::Server(target) = subject {
            look_after(shared, target, &mut outcome.0).await;
        }
        shared.finish(index, outcome.0);
    }
}

/// Looks whether the server is still there where a case does not show it. One that was away has not just closed a connection; one that
/// stays away ends the run.
async fn look_after(shared: &Shared, target: &Target, outcome: &mut Outcome) {
    if matches!(outcome.finding.verdict, Verdict::Pass | Verdict::Unimplemented) || shared.gone.borrow().is_some() {
        return;
    }
    let mut away = false;
    for _ in 0..AWAY_TRIES {
        let connected = tokio::time::timeout(target.budget.answer(), Stream::connect(&target.address)).await;
        if !matches!(connected, Ok(Err(WireError::Connect(_)))) {
            if away && outcome.finding.verdict == Verdict::Nonstrict {
                let reason = format!("then no connection could be made for a while; {}", outcome.finding.reason);
                outcome.finding = Finding::new(Verdict::Blocked, reason);
            }
            return;
        }
        away = true;
        tokio::time::sleep(AWAY_PAUSE).await;
    }
    shared.gone.borrow_mut().get_or_insert_with(|| outcome.instance.id());
    shared.queue.borrow_mut().clear();
}

/// Runs a case once; beside its outcome, how late timers were meanwhile, if that was too late.
async fn attempt(
    shared: &Rc<Shared>,
    instance: &Instance,
    subject: &Subject,
    number: usize,
) -> (Outcome, Option<Duration>) {
    let started = Instant::now();
    let (finding, transcript) = match (missing(instance, subject), subject) {
        (Some(finding), _) => (finding, Vec::new()),
        (None, Subject::Server(target)) => ask_server(shared, instance, target, number).await,
        (None, Subject::Client(actor)) => ask_client(shared, instance, actor, number).await,
    };
    let transcript = if finding.verdict == Verdict::Pass { Vec::new() } else { transcript };
    let outcome = Outcome { instance: instance.clone(), finding, transcript, took: started.elapsed() };
    (outcome, shared.canary.late_since(started))
}

async fn ask_server(
    shared: &Rc<Shared>,
    instance: &Instance,
    target: &Rc<Target>,
    number: usize,
) -> (Finding, Vec<Entry>) {
    let name = instance.case.id.to_ascii_lowercase();
    let base = format!("/conformance/{}/{name}-{}-{number}", shared.run, instance.transport);
    let observer = (!instance.case.provokes()).then(|| shared.observer.clone());
    let scene = Scene::new(target.clone(), observer, instance.id(), base, shared.seed);
    let limit = target.budget.held() * 4 + target.budget.expiry.unwrap_or_default() * 4 + Duration::from_secs(60);
    let ended = tokio::time::timeout(limit, judge(&scene, instance)).await;
    let finding =
        ended.unwrap_or_else(|_| Finding::new(Verdict::Error, format!("it did not end within {} s", limit.as_secs())));
    scene.close();
    (finding, scene.transcript.entries())
}

async fn ask_client(
    shared: &Rc<Shared>,
    instance: &Instance,
    actor: &Rc<Actor>,
    number: usize,
) -> (Finding, Vec<Entry>) {
    let Kind::Stage(steps) = &instance.case.kind else { return (lost(instance).finding, Vec::new()) };
    let name = format!("{}-{}-{}-{number}", shared.run, instance.case.id.to_ascii_lowercase(), instance.transport);
    let played = play(actor, &shared.observer, instance.transport, steps, (&instance.id(), &name)).await;
    (played.finding, played.transcript)
}

/// What keeps a case from being asked at all. Who offers a transport has it, so that what is broken there is not just missing.
fn missing(instance: &Instance, subject: &Subject) -> Option<Finding> {
    if let Subject::Server(target) = subject
        && let Some(why) = target.broken.get(&instance.transport)
    {
        let why = format!("the server offers {}, and does not serve it: {why}", instance.transport);
        return Some(Finding::new(Verdict::Blocked, why));
    }
    let transport = instance.transport.name().to_owned();
    let needs = instance.case.needs.iter().chain([&transport]);
    let silent = |need: &str| match subject {
        Subject::Server(target) => need == PUBLISH_ACK && target.silent.contains(&instance.transport),
        Subject::Client(_) => false,
    };
    // Other streams are opened in no other way.
    let known = |need: &str| need == STREAM_CONNECT && instance.transport != Transport::EventSource;
    let has = |need: &str| known(need) || (subject.capabilities().contains(need) && !silent(need));
    let what = needs.into_iter().find(|need| !has(need))?;
    Some(Finding::new(Verdict::Unimplemented, format!("the {} has no {what}", subject.role())))
}

async fn judge(scene: &Rc<Scene>, instance: &Instance) -> Finding {
    match &instance.case.kind {
        Kind::Steps(steps) => script::run(scene, instance.transport, steps).await,
        Kind::Code(code) => code(scene.clone(), instance.transport).await,
        Kind::Whole(_) | Kind::Stage(_) => lost(instance).finding,
    }
}

/// Knows how late timers fired, and when that was last too late.
#[derive(Default)]
struct Canary {
    late: Cell<Option<(Instant, Duration)>>,
}

impl Canary {
    fn late_since(&self, start: Instant) -> Option<Duration> {
        self.late.get().filter(|(at, _)| *at >= start).map(|(_, late)| late)
    }
}

async fn watch(shared: Rc<Shared>) {
    const TICK: Duration = Duration::from_millis(50);
    loop {
        let started = Instant::now();
        tokio::time::sleep(TICK).await;
        let late = started.elapsed().saturating_sub(TICK);
        if late > TOO_BUSY {
            shared.canary.late.set(Some((Instant::now(), late)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_is_gone_ends_the_run() {
        struct Unheard;
        impl Progress for Unheard {
            fn done(&self, _: &Outcome, _: usize, _: usize) {}
        }
        let choice = Choice {
            only: vec!["PB-001".into(), "SB-001".into()],
            skip: Vec::new(),
            level: Level::May,
            profiles: BTreeSet::new(),
            transports: [Transport::LongPolling].into(),
            jobs: 1,
            seed: 0,
        };
        // Whoever had this port has let it go.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("it listens"));
        drop(listener);
        let mut target = Target::new(&url, None).expect("a URL");
        target.capabilities = ["long-polling", PUBLISH_ACK].map(str::to_owned).into();
        let cases = crate::case::all().expect("cases");
        let suite = Suite::new(cases, Subject::Server(Rc::new(target)), choice).expect("there are such cases");
        let local = tokio::task::LocalSet::new();
        let ran = local.run_until(run(&suite, Rc::new(Unheard))).await;
        assert!(ran.gone.is_some());
        assert_eq!(ran.outcomes.len(), 2);
        assert!(ran.outcomes.iter().all(|outcome| outcome.finding.verdict == Verdict::Blocked));
        let unasked = |outcome: &&Outcome| outcome.finding.reason.starts_with("no connection could be made since");
        assert_eq!(ran.outcomes.iter().filter(unasked).count(), 1, "the second one is not asked");
    }

    fn selected(only: &[&str], skip: &[&str]) -> Result<Vec<String>, String> {
        let own = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let choice = Choice {
            only: own(only),
            skip: own(skip),
            level: Level::May,
            profiles: BTreeSet::new(),
            transports: BTreeSet::new(),
            jobs: 1,
            seed: 0,
        };
        let target = Target::new("http://localhost/", None).expect("a URL");
        let suite = Suite::new(crate::case::all().expect("cases"), Subject::Server(Rc::new(target)), choice)?;
        Ok(suite.instances.iter().map(Instance::id).collect())
    }

    #[test]
    fn cases_are_chosen_by_their_ids_also_over_one_transport_and_a_pattern_that_means_nothing_is_named() {
        let transports = ["long-polling", "callback-polling", "websocket", "eventsource", "xhr-streaming", "iframe"];
        let all = transports.map(|transport| format!("US-003[{transport}]"));
        assert_eq!(selected(&["US-003"], &[]).as_deref(), Ok(all.as_slice()));
        assert_eq!(selected(&["US-003[websocket]"], &[]), Ok(vec![all[2].clone()]));
        assert_eq!(selected(&["US-003"], &["US-003[long-polling]"]).as_deref(), Ok(&all[1..]));
        assert_eq!(selected(&["US-003", "US-3*"], &[]), Err("no case about a server is like \"US-3*\"".into()));
        assert!(selected(&[], &["US-003[pigeon]"]).is_err_and(|why| why.contains("US-003[pigeon]")));
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits) in [
            ("HS-*", "HS-006", true),
            ("HS-006", "HS-006", true),
            ("HS-00", "HS-006", false),
            ("*-006", "HS-006", true),
            ("BX-HS-1", "BX-HS-10", false),
            ("*", "", true),
        ] {
            assert_eq!(like(pattern, text), fits, "{pattern} {text}");
        }
    }
}
