//! Carries out the steps of a case. The worst finding of its steps is the case's; a failure ends it.

use super::judge::{Came, judge};
use crate::case::{Expectation, FrameSpec, HttpSpec, Open, Part, Step, When};
use crate::json::{Json, object};
use crate::pattern::{Variables, fill, fits};
use crate::peer::{Outcome, Peer, Sent, Transport, is_event};
use crate::scene::Scene;
use crate::transcript::Direction;
use crate::verdict::{Finding, Verdict};
use crate::wire::http::{Body, Request, read_response};
use crate::wire::stream::Stream;
use crate::wire::websocket::Frame;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Runs the steps over one transport.
pub(super) async fn run(scene: &Rc<Scene>, transport: Transport, steps: &[Step]) -> Finding {
    let mut script = Script::new(scene, transport);
    script.looks_at_events = steps.iter().any(|step| matches!(step, Step::Received { .. }));
    let mut worst = Finding::pass();
    for (index, step) in steps.iter().enumerate() {
        let found = script.step(step).await;
        if found.verdict > worst.verdict {
            worst = Finding::new(found.verdict, format!("step {}: {}", index + 1, found.reason));
        }
        if worst.verdict > Verdict::Nonstrict {
            break;
        }
    }
    script.leave().await;
    worst
}

pub(super) struct Script {
    pub(super) scene: Rc<Scene>,
    transport: Transport,
    peers: BTreeMap<String, Peer>,
    pub(super) sent: BTreeMap<String, (String, Sent)>,
    /// Requests whose responses may be streams: who sent them, and in which exchange.
    pub(super) streams: BTreeMap<String, (Peer, usize)>,
    pub(super) variables: Variables,
    /// Some step looks at what was delivered, so that a publish need not be answered to show what it did.
    looks_at_events: bool,
}

/// A step that could not be carried out, with the finding that this makes.
pub(super) type Stopped = Finding;

impl Script {
    fn new(scene: &Rc<Scene>, transport: Transport) -> Self {
        let mut variables = Variables::new();
        variables.insert("base".into(), scene.base.as_str().into());
        variables.insert("unique".into(), unique(scene).into());
        variables.insert("transport".into(), transport.name().into());
        variables.insert("host".into(), scene.target.host().into());
        variables.insert("path".into(), scene.target.path("").into());
        Self {
            scene: scene.clone(),
            transport,
            peers: BTreeMap::new(),
            sent: BTreeMap::new(),
            streams: BTreeMap::new(),
            variables,
            looks_at_events: false,
        }
    }

    async fn step(&mut self, step: &Step) -> Finding {
        let done = match step {
            Step::Open(open) => self.open(open).await,
            Step::Send { peer, messages, name, expect, when } => self.send(peer, messages, name, expect, when).await,
            Step::Expect { name, expect, when } => self.expect(name, expect, when).await,
            Step::Received { peer, events, any_order, own } => self.received(peer, events, *any_order, *own).await,
            Step::Http { request, name, expect, when } => match name {
                Some(name) => self.open_stream(name, request, when).await,
                None => self.http(request, expect, when).await,
            },
            Step::Stream { name, look, when } => self.look(name, look, when).await,
            Step::Text { peer, text, expect, when } => self.text(peer, text, expect, when).await,
            Step::Raw { bytes, half_close, expect, when } => self.raw(bytes, *half_close, expect, when).await,
            Step::Frames { peer, frames, expect, when } => self.frames(peer, frames, expect, when).await,
            Step::Drop { peer } => self.peer(peer).map(|peer| peer.drop_connections()).map(|()| Finding::pass()),
            Step::Live { peer } => self.peer(peer).map(|peer| peer.keep_alive()).map(|()| Finding::pass()),
            Step::Release { peer } => self.peer(peer).map(|peer| peer.stop_keeping_alive()).map(|()| Finding::pass()),
            Step::Let { name, value } => self.fill(value).map(|value| {
                self.variables.insert(name.clone(), value);
                Finding::pass()
            }),
            Step::Elapse { time } => self.elapse(time).await,
            Step::Alive => self.alive().await,
        };
        done.unwrap_or_else(|stopped| stopped)
    }

    pub(super) fn peer(&self, name: &str) -> Result<&Peer, Stopped> {
        self.peers.get(name).ok_or_else(|| mistake(format!("no peer is called {name:?}")))
    }

    pub(super) fn fill(&self, value: &Json) -> Result<Json, Stopped> {
        fill(value, &self.variables).map_err(mistake)
    }

    pub(super) fn time(&self, text: &str) -> Result<Duration, Stopped> {
        self.scene.target.budget.time(text).map_err(mistake)
    }

    pub(super) fn deadline(&self, when: &When, otherwise: Duration) -> Result<Instant, Stopped> {
        let time = when.within.as_deref().map_or(Ok(otherwise), |text| self.time(text))?;
        Ok(Instant::now() + time)
    }

    async fn open(&mut self, open: &Open) -> Result<Finding, Stopped> {
        for name in &open.peers {
            let peer = Peer::new(&self.scene, name, open.transport.unwrap_or(self.transport));
            if let Some(other) = &open.jar {
                peer.share_jar(self.peer(other)?.jar());
            }
            let handshake = open.handshake.as_ref().map(|members| self.fill(members)).transpose()?;
            let blocked = |what| Finding::new(Verdict::Blocked, what);
            let reply = peer.handshake(handshake.as_ref()).await.map_err(blocked)?;
            if !open.manual {
                peer.keep_alive();
            }
            for channel in &open.subscribe {
                let Json::String(channel) = self.fill(&channel.as_str().into())? else {
                    return Err(mistake(format!("{channel} is no string")));
                };
                peer.subscribe(&channel).await.map_err(blocked)?;
            }
            self.variables.insert(format!("{name}.clientId"), peer.client_id().unwrap_or_default().into());
            self.variables.insert(format!("{name}.handshake"), reply);
            let cookies = peer.jar().borrow().header();
            let line = cookies.map(|cookies| format!("Cookie: {cookies}\r\n")).unwrap_or_default();
            self.variables.insert(format!("{name}.cookie"), line.into());
            self.peers.insert(name.clone(), peer);
        }
        Ok(Finding::pass())
    }

    async fn send(
        &mut self,
        peer: &str,
        messages: &[Json],
        name: &str,
        expect: &[Expectation],
        when: &When,
    ) -> Result<Finding, Stopped> {
        let filled = messages.iter().map(|message| self.fill(message)).collect::<Result<Vec<_>, _>>()?;
        let peer_there = self.peer_or_new(peer);
        self.logged_in(Json::Array(peer_there.complete(&filled)).to_string().as_bytes())?;
        let sent = peer_there.send(&filled);
        self.sent.insert(name.to_owned(), (peer.to_owned(), sent));
        if expect.is_empty() { Ok(Finding::pass()) } else { self.expect(name, expect, when).await }
    }

    /// Who has no session yet may speak as well: to shake hands in a way of its own, or to be refused.
    fn peer_or_new(&mut self, name: &str) -> Peer {
        let new = || Peer::new(&self.scene, name, self.transport);
        self.peers.entry(name.to_owned()).or_insert_with(new).clone()
    }

    async fn expect(&mut self, name: &str, expect: &[Expectation], when: &When) -> Result<Finding, Stopped> {
        let (peer, sent) =
            self.sent.get(name).cloned().ok_or_else(|| mistake(format!("nothing was sent as {name:?}")))?;
        let peer = self.peer(&peer)?.clone();
        let connects = sent.requests.iter().any(|(channel, _)| channel == "/meta/connect");
        let budget = &self.scene.target.budget;
        // A stated time counts from the sending, however long the steps in between took.
        let deadline = match &when.within {
            Some(text) => sent.at + self.time(text)?,
            None => Instant::now() + if connects { budget.held() } else { budget.answer() },
        };
        let mut worst = Finding::pass();
        for (index, expect) in expect.iter().enumerate() {
            if matches!(expect, Expectation::Anything) {
                continue;
            }
            let is_publish = !sent.requests[index].0.starts_with("/meta/");
            let unanswered = is_publish && !self.scene.target.answers_publishes(peer.transport());
            let mut until = deadline;
            if unanswered && peer.transport() == Transport::WebSocket && success(expect).is_some() {
                // Nobody waits for the end of a silence: what is asked behind a publish is answered when that was read.
                peer.accepted(&sent).await.map_err(|what| Finding::new(Verdict::Blocked, what))?;
                until = Instant::now();
            }
            let outcome = peer.outcome(&sent, index, until).await;
            let found = if unanswered && outcome.is_unanswered_publish(peer.transport()) {
                self.unanswered(expect, &outcome)
            } else {
                let untimely = self.untimely(when, &outcome)?;
                self.note_session(&peer, &outcome);
                let silent = matches!(outcome, Outcome::Silence(_));
                let found = judge(expect, &Came::Outcome(outcome), &mut self.variables);
                // A reply that is wrong is wrong whenever it came.
                let decides = |time: &Finding| {
                    found.verdict <= Verdict::Nonstrict || (silent && time.verdict == Verdict::Inconclusive)
                };
                untimely.filter(decides).unwrap_or(found)
            };
            if found.verdict > worst.verdict {
                worst = Finding::new(
                    found.verdict,
                    format!("{} of message {}: {}", sent.requests[index].0, index + 1, found.reason),
                );
            }
        }
        Ok(worst)
    }

    /// What a publish without an answer is worth where the server answers none: it was taken, since a refusal is owed all the same.
    /// What it did is seen by what was delivered.
    fn unanswered(&self, expect: &Expectation, outcome: &Outcome) -> Finding {
        match success(expect) {
            Some((Verdict::Pass, _)) if self.looks_at_events => Finding::pass(),
            Some((verdict, label)) if verdict != Verdict::Pass => Finding::new(verdict, format!("{label}: {outcome}")),
            None if owes_refusal(expect) => Finding::new(Verdict::Fail, format!("expected a refusal; {outcome}")),
            _ => Finding::new(Verdict::Unimplemented, "the server does not answer publishes"),
        }
    }

    /// What is wrong with the time that the reply took, if anything. One that did not come in its time has taken too long as well.
    fn untimely(&self, when: &When, outcome: &Outcome) -> Result<Option<Finding>, Stopped> {
        let (Outcome::Reply { after, .. } | Outcome::Silence(after)) = outcome else { return Ok(None) };
        let wrong = |text: &str, bound: Duration, side: &str| {
            let (after, bound) = (after.as_secs_f64(), bound.as_secs_f64());
            Finding::new(Verdict::Fail, format!("the reply came after {after:.2} s, {side} {text} ({bound:.2} s)"))
        };
        let budget = &self.scene.target.budget;
        if let Some(text) = &when.within {
            let bound = self.time(text)?;
            if *after >= bound && bound <= budget.timeout && text.contains('T') && !budget.tells_apart(bound) {
                return Ok(Some(Finding::too_close(budget)));
            }
            if *after > bound && matches!(outcome, Outcome::Reply { .. }) {
                return Ok(Some(wrong(text, bound, "later than")));
            }
        }
        if let (Some(text), Outcome::Reply { .. }) = (&when.not_before, outcome) {
            let bound = self.time(text)?;
            if *after < bound {
                return Ok(Some(wrong(text, bound, "before")));
            }
        }
        Ok(None)
    }

    /// A handshake that a case makes itself gives its peer a session, as `open` would.
    fn note_session(&mut self, peer: &Peer, outcome: &Outcome) {
        let Ok(reply) = outcome.success() else { return };
        if reply.get_str("channel") == Some("/meta/handshake")
            && let Some(id) = reply.get_str("clientId")
        {
            peer.set_client_id(Some(id.to_owned()));
            self.variables.insert(format!("{}.clientId", peer.name()), id.into());
        }
    }

    async fn received(&mut self, peer: &str, events: &[Json], any_order: bool, own: bool) -> Result<Finding, Stopped> {
        let peer = self.peer(peer)?.clone();
        let wanted = events.iter().map(|event| self.fill(event)).collect::<Result<Vec<_>, _>>()?;
        if let Err(why) = self.scene.fence(&peer).await {
            return Ok(Finding::new(Verdict::Fail, why));
        }
        let (base, unique) = (format!("{}/", self.scene.base), unique(&self.scene));
        let fence = format!("{base}fence/");
        let counts = |event: &Json| {
            let channel = event.get_str("channel").unwrap_or_default();
            !channel.starts_with(&fence) && (!own || channel.starts_with(&base) || channel.contains(&unique))
        };
        // Nobody promises an order between channels or publishers: the fence may have overtaken what is still missing.
        let all = |peer: &Peer| peer.count_events(counts) >= wanted.len();
        peer.fetch_until(peer.delivery_deadline(), all).await;
        let mut came = peer.take_events();
        came.retain(counts);
        Ok(compare(peer.name(), &wanted, came, any_order, &mut self.variables))
    }

    /// Stops where a handshake can't be given what the server wants of every client.
    fn logged_in(&self, text: &[u8]) -> Result<(), Stopped> {
        if self.scene.target.lacks_login(text) {
            let why = "this handshake can't carry the ext without which the server refuses any";
            return Err(Finding::new(Verdict::Unimplemented, why));
        }
        Ok(())
    }

    fn bytes(&self, parts: &[Part]) -> Result<Vec<u8>, Stopped> {
        Part::bytes(parts, &self.variables).map_err(mistake)
    }

    async fn http(&mut self, spec: &HttpSpec, expect: &Expectation, when: &When) -> Result<Finding, Stopped> {
        let (peer, request) = self.request(spec)?;
        let deadline = self.deadline(when, self.scene.target.budget.answer())?;
        let number = peer.start(request);
        let came = match peer.answer(number, deadline).await {
            Some(answer) => Came::Answer(Box::new(answer)),
            None => Came::Silence(deadline.elapsed()),
        };
        Ok(judge(expect, &came, &mut self.variables))
    }

    /// Who sends a request, and the request.
    pub(super) fn request(&mut self, spec: &HttpSpec) -> Result<(Peer, Request), Stopped> {
        let peer = match &spec.peer {
            Some(name) => self.peer(name)?.clone(),
            None => Peer::new(&self.scene, "stranger", Transport::LongPolling),
        };
        let mut headers = peer.headers();
        for (name, value) in &spec.headers {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            match self.fill(value)? {
                Json::Null => {}
                Json::String(value) => headers.push((name.clone(), value)),
                other => headers.push((name.clone(), other.to_string())),
            }
        }
        let mut chunks = spec.body.iter().map(|parts| self.bytes(parts)).collect::<Result<Vec<_>, _>>()?;
        self.scene.target.complete_pieces(&mut chunks);
        self.logged_in(&chunks.concat())?;
        let body = match chunks.len() {
            0 => Body::None,
            _ if spec.chunked => Body::Chunked(chunks),
            _ => Body::Sized(chunks.swap_remove(0)),
        };
        let Json::String(suffix) = self.fill(&spec.suffix.as_str().into())? else {
            return Err(mistake("the suffix is no string"));
        };
        let target = self.scene.target.path(&self.scene.target.complete_query(&suffix));
        Ok((peer, Request { method: spec.method.clone(), target, headers, body }))
    }

    async fn text(&mut self, peer: &str, text: &[Part], expect: &Expectation, when: &When) -> Result<Finding, Stopped> {
        if self.peer_or_new(peer).transport() == Transport::WebSocket {
            let opcode = crate::wire::websocket::opcode::TEXT;
            let payload = text.to_vec();
            let frame = FrameSpec { opcode, fin: true, reserved: 0, masked: true, declared: None, payload };
            return self.frames(peer, &[frame], expect, when).await;
        }
        let request = HttpSpec {
            peer: Some(peer.to_owned()),
            method: "POST".into(),
            suffix: String::new(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: vec![text.to_vec()],
            chunked: false,
        };
        self.http(&request, expect, when).await
    }

    async fn raw(
        &mut self,
        parts: &[Part],
        half_close: bool,
        expect: &[Expectation],
        when: &When,
    ) -> Result<Finding, Stopped> {
        let bytes = self.scene.target.complete_raw(&self.bytes(parts)?);
        self.logged_in(&bytes)?;
        let deadline = self.deadline(when, self.scene.target.budget.answer())?;
        let method = if bytes.starts_with(b"HEAD ") { "HEAD" } else { "POST" };
        self.scene.transcript.add("raw", 1, Direction::Sent, &bytes);
        let unreachable = |error: crate::wire::WireError| Finding::new(Verdict::Blocked, error.to_string());
        let mut stream = Stream::connect(&self.scene.target.address).await.map_err(unreachable)?;
        // A server may refuse before it has read everything; what it says is still to be read.
        let _ = stream.write(&bytes).await;
        if half_close {
            let _ = stream.finish().await;
        }
        let mut worst = Finding::pass();
        for (index, expect) in expect.iter().enumerate() {
            let came = match timeout_at(deadline, read_response(&mut stream, method)).await {
                Err(_) => Came::Silence(self.scene.target.budget.answer()),
                Ok(Err(error)) => Came::Answer(Box::new(Err(error))),
                Ok(Ok(response)) => {
                    self.scene.record_response("raw", 1, &response);
                    let messages = crate::peer::messages_of(&response.body);
                    Came::Answer(Box::new(Ok(crate::peer::Answer { response, messages })))
                }
            };
            let found = judge(expect, &came, &mut self.variables);
            if found.verdict > worst.verdict {
                worst = Finding::new(found.verdict, format!("response {}: {}", index + 1, found.reason));
            }
        }
        Ok(worst)
    }

    async fn frames(
        &mut self,
        peer: &str,
        frames: &[FrameSpec],
        expect: &Expectation,
        when: &When,
    ) -> Result<Finding, Stopped> {
        let peer = self.peer(peer)?.clone();
        let mut payloads = frames.iter().map(|spec| self.bytes(&spec.payload)).collect::<Result<Vec<_>, _>>()?;
        if frames.iter().all(|spec| spec.declared.is_none()) {
            self.scene.target.complete_pieces(&mut payloads);
        }
        self.logged_in(&payloads.concat())?;
        let frames = frames.iter().zip(payloads);
        let frames = frames
            .map(|(spec, payload)| Frame {
                fin: spec.fin,
                reserved: spec.reserved,
                opcode: spec.opcode,
                masked: spec.masked,
                declared: spec.declared,
                payload,
            })
            .collect();
        let deadline = self.deadline(when, self.scene.target.budget.answer())?;
        let before = peer.all_messages().len();
        let pong = match expect {
            Expectation::Pong(payload) => Some(payload.clone().into_bytes()),
            _ => None,
        };
        peer.send_frames(frames);
        let ponged = |peer: &Peer| pong.as_ref().is_some_and(|payload| peer.has_pong(payload));
        let reply = |peer: &Peer| {
            peer.all_messages().into_iter().skip(before).find(|message| !is_event(message) || pong.is_none())
        };
        peer.until(deadline, |peer| {
            ponged(peer) || peer.socket_end().is_some() || (pong.is_none() && reply(peer).is_some())
        })
        .await;
        let came = match (ponged(&peer), reply(&peer), peer.socket_end()) {
            (true, _, _) => Came::Pong,
            (_, Some(message), _) if pong.is_none() => Came::Message(message),
            (_, _, Some(end)) => Came::Outcome(end.into()),
            _ => Came::Silence(self.scene.target.budget.answer()),
        };
        Ok(judge(expect, &came, &mut self.variables))
    }

    async fn elapse(&self, time: &str) -> Result<Finding, Stopped> {
        Peer::elapse(self.time(time)?).await;
        Ok(Finding::pass())
    }

    async fn alive(&mut self) -> Result<Finding, Stopped> {
        match alive(&self.scene).await {
            Ok(()) => Ok(Finding::pass()),
            Err(why) => Ok(Finding::new(Verdict::Fail, format!("afterwards the server does not serve: {why}"))),
        }
    }

    /// Ends the sessions, as well-behaved clients do; nobody waits long for a server that does not answer.
    async fn leave(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(1);
        let open: Vec<_> = self.peers.values().filter(|peer| peer.client_id().is_some()).collect();
        let sent: Vec<_> = open
            .iter()
            .map(|peer| {
                peer.stop_keeping_alive();
                peer.send(&[object([("channel", "/meta/disconnect".into())])])
            })
            .collect();
        for (peer, sent) in open.iter().zip(&sent) {
            peer.outcome(sent, 0, deadline).await;
        }
    }
}

/// Whether a new session on a new connection gets what is published to it.
pub(crate) async fn alive(scene: &Rc<Scene>) -> Result<(), String> {
    let peer = Peer::new(scene, "healthy", Transport::LongPolling);
    peer.handshake(None).await?;
    peer.keep_alive();
    scene.fence(&peer).await
}

/// Part of names outside of the case's base that belong to this run of the case alone: one segment.
fn unique(scene: &Scene) -> String {
    scene.base.trim_matches('/').replace('/', "-")
}

fn compare(peer: &str, wanted: &[Json], came: Vec<Json>, any_order: bool, variables: &mut Variables) -> Finding {
    let list = |events: &[Json]| events.iter().map(Json::to_string).collect::<Vec<_>>().join(", ");
    let wrong = |what: String| Finding::new(Verdict::Fail, format!("{peer} {what}; all that came: [{}]", list(&came)));
    let mut left: Vec<&Json> = came.iter().collect();
    for (index, pattern) in wanted.iter().enumerate() {
        // There is an order within a channel only.
        let is_next =
            |at: usize| any_order || !left[..at].iter().any(|event| event.get("channel") == left[at].get("channel"));
        match (0..left.len()).find(|at| is_next(*at) && fits(pattern, Some(left[*at]), variables).is_ok()) {
            Some(at) => drop(left.remove(at)),
            None => {
                let next = left
                    .first()
                    .map_or_else(|| "nothing more came".to_owned(), |event| format!("the next one is {event}"));
                return wrong(format!("should have got event {} as {pattern}, but {next}", index + 1));
            }
        }
    }
    match left.first() {
        Some(event) => wrong(format!("got {} event(s) that it should not have got, the first {event}", left.len())),
        None => Finding::pass(),
    }
}

/// What the first alternative is worth that asks for success and nothing else, and what it is called.
fn success(expect: &Expectation) -> Option<(Verdict, &str)> {
    match expect {
        Expectation::Reply(pattern) => {
            let alone = pattern.as_object().is_some_and(|members| members.iter().all(|(name, _)| name == "successful"));
            (alone && succeeds(pattern)).then_some((Verdict::Pass, ""))
        }
        Expectation::OneOf(alternatives) => alternatives.iter().find_map(|alternative| {
            success(&alternative.expect).map(|_| (alternative.verdict, alternative.label.as_str()))
        }),
        _ => None,
    }
}

/// Whether nothing that was accepted can be what is expected.
fn owes_refusal(expect: &Expectation) -> bool {
    match expect {
        Expectation::Refused(_) => true,
        Expectation::Reply(pattern) => pattern.get("successful").is_some() && !succeeds(pattern),
        Expectation::OneOf(alternatives) => alternatives.iter().all(|alternative| owes_refusal(&alternative.expect)),
        _ => false,
    }
}

/// Whether what a pattern says of `successful` is true of a success.
fn succeeds(pattern: &Json) -> bool {
    pattern.get("successful").is_some_and(|wanted| fits(wanted, Some(&true.into()), &mut Variables::new()).is_ok())
}

pub(super) fn mistake(what: impl Into<String>) -> Stopped {
    Finding::new(Verdict::Error, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn verdict(wanted: &str, came: &str, any_order: bool) -> Verdict {
        let list = |text: &str| parse(text.as_bytes()).expect(text).value.as_array().expect("a list").to_vec();
        compare("a", &list(wanted), list(came), any_order, &mut Variables::new()).verdict
    }

    #[test]
    fn a_lost_a_doubled_and_a_swapped_event_are_found() {
        assert_eq!(verdict("[1,2]", "[1,2]", false), Verdict::Pass);
        assert_eq!(verdict("[1,2]", "[2,1]", false), Verdict::Fail);
        assert_eq!(verdict("[1,2]", "[2,1]", true), Verdict::Pass);
        assert_eq!(verdict("[1,2]", "[1]", true), Verdict::Fail);
        assert_eq!(verdict("[1,2]", "[1,2,2]", true), Verdict::Fail);
        assert_eq!(verdict("[]", "[1]", false), Verdict::Fail);
        let wanted = r#"[{"channel":"/x","data":1},{"channel":"/x","data":2},{"channel":"/y"}]"#;
        let (y, first, second) =
            (r#"{"channel":"/y"}"#, r#"{"channel":"/x","data":1}"#, r#"{"channel":"/x","data":2}"#);
        assert_eq!(verdict(wanted, &format!("[{y},{first},{second}]"), false), Verdict::Pass, "another channel");
        assert_eq!(verdict(wanted, &format!("[{y},{second},{first}]"), false), Verdict::Fail, "one channel");
    }
}
