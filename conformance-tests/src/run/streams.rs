//! The steps that look at streams: their heads, batches, heartbeats and ends.

use super::judge::Came;
use super::judge::describe;
use super::script::{Script, Stopped, mistake};
use crate::case::{HttpSpec, Look, When};
use crate::json::Json;
use crate::pattern::{fill, fits};
use crate::peer::{Batch, Peer};
use crate::verdict::{Finding, Verdict};
use crate::wire::WireError;
use std::time::Duration;
use tokio::time::Instant;

impl Script {
    /// Sends a request whose response may be a stream, and waits for its head or its end.
    pub(super) async fn open_stream(&mut self, name: &str, spec: &HttpSpec, when: &When) -> Result<Finding, Stopped> {
        let (peer, request) = self.request(spec)?;
        let deadline = self.deadline(when, self.scene.target.budget.answer())?;
        let number = peer.start_stream(request);
        self.streams.insert(name.to_owned(), (peer.clone(), number));
        peer.until(deadline, |peer| peer.streamed(number).is_some() || peer.ended(number).is_some()).await;
        if peer.ended(number).is_some_and(|end| matches!(end, Err(WireError::Connect(_)))) {
            return Ok(Finding::new(Verdict::Blocked, "no connection could be made"));
        }
        Ok(Finding::pass())
    }

    /// One look at a stream.
    pub(super) async fn look(&mut self, name: &str, look: &Look, when: &When) -> Result<Finding, Stopped> {
        let (peer, number) = self.stream(name)?;
        let deadline = self.deadline(when, self.scene.target.budget.answer())?;
        peer.until(deadline, |peer| peer.streamed(number).is_some() || peer.ended(number).is_some()).await;
        if peer.streamed(number).is_none() {
            return Ok(Finding::new(Verdict::Fail, format!("expected a stream; {}", came(&peer, number))));
        }
        match look {
            Look::Head(wanted) => self.head(&peer, number, wanted),
            Look::Batch { messages, id } => self.batch(&peer, number, messages, id.as_ref(), deadline).await,
            Look::Retry(wanted) => {
                peer.until(deadline, |peer| peer.streamed(number).is_some_and(|seen| seen.retry.is_some())).await;
                let retry = peer.streamed(number).and_then(|seen| seen.retry).map(Json::from);
                Ok(self.fitting("retry", wanted, retry.as_ref())?)
            }
            Look::Beat => Ok(beat(&peer, number, deadline).await),
            Look::Open => Ok(match peer.ended(number) {
                None => Finding::pass(),
                Some(_) => Finding::new(Verdict::Fail, format!("the stream has ended; {}", came(&peer, number))),
            }),
            Look::End(last) => self.end(&peer, number, last, when, deadline).await,
            Look::Text(wanted) => {
                let text = peer.streamed(number).map(|seen| String::from_utf8_lossy(&seen.text).into_owned());
                Ok(self.fitting("its text", wanted, text.map(Json::from).as_ref())?)
            }
        }
    }

    /// Who reads the stream of this name, and in which exchange.
    fn stream(&self, name: &str) -> Result<(Peer, usize), Stopped> {
        if let Some(stream) = self.streams.get(name) {
            return Ok(stream.clone());
        }
        let (peer, sent) = self.sent.get(name).ok_or_else(|| mistake(format!("nothing was sent as {name:?}")))?;
        let number = Peer::exchange_of(sent).ok_or_else(|| mistake(format!("{name:?} did not go over HTTP")))?;
        Ok((self.peer(peer)?.clone(), number))
    }

    fn fitting(&mut self, what: &str, pattern: &Json, found: Option<&Json>) -> Result<Finding, Stopped> {
        let pattern = fill(pattern, &self.variables).map_err(mistake)?;
        Ok(match fits(&pattern, found, &mut self.variables) {
            Ok(()) => Finding::pass(),
            Err(mismatch) => Finding::new(Verdict::Fail, format!("{what}: {mismatch}")),
        })
    }

    fn head(&mut self, peer: &Peer, number: usize, wanted: &[(String, Json)]) -> Result<Finding, Stopped> {
        let Some(seen) = peer.streamed(number) else { return Ok(Finding::pass()) };
        for (name, pattern) in wanted {
            let value = seen.head.header(name).map(Json::from);
            let found = self.fitting(&format!("the head field {name}"), pattern, value.as_ref())?;
            if found.verdict != Verdict::Pass {
                return Ok(found);
            }
        }
        Ok(Finding::pass())
    }

    async fn batch(
        &mut self,
        peer: &Peer,
        number: usize,
        wanted: &Json,
        id: Option<&Json>,
        deadline: Instant,
    ) -> Result<Finding, Stopped> {
        let more = |peer: &Peer| peer.streamed(number).is_some_and(|seen| seen.batches.len() > seen.seen);
        peer.until(deadline, |peer| more(peer) || peer.ended(number).is_some()).await;
        let Some(Batch { messages, id: found_id, .. }) = peer.next_batch(number) else {
            return Ok(Finding::new(Verdict::Fail, format!("expected a batch; {}", came(peer, number))));
        };
        let found = match messages {
            Ok(messages) => self.fitting("the batch", wanted, Some(&Json::Array(messages)))?,
            Err(why) => Finding::new(Verdict::Fail, format!("what should be a batch: {why}")),
        };
        match id {
            Some(id) if found.verdict == Verdict::Pass => {
                self.fitting("the id of its event", id, found_id.map(Json::from).as_ref())
            }
            _ => Ok(found),
        }
    }

    async fn end(
        &mut self,
        peer: &Peer,
        number: usize,
        last: &Json,
        when: &When,
        deadline: Instant,
    ) -> Result<Finding, Stopped> {
        let began = Instant::now();
        peer.until(deadline, |peer| peer.ended(number).is_some()).await;
        let wrong = |what: &str| Finding::new(Verdict::Fail, format!("{what}; {}", came(peer, number)));
        match peer.ended(number) {
            None => return Ok(wrong("the stream should have ended")),
            Some(Err(_)) => return Ok(wrong("the stream broke off")),
            Some(Ok(())) => {}
        }
        let early = when.not_before.as_deref().map(|text| self.time(text)).transpose()?;
        if early.is_some_and(|bound| began.elapsed() < bound) {
            return Ok(wrong(&format!("it ended after {:.2} s already", began.elapsed().as_secs_f64())));
        }
        let batches = peer.streamed(number).map(|seen| seen.batches).unwrap_or_default();
        let message = batches.last().and_then(|batch| batch.messages.as_ref().ok()?.last().cloned());
        self.fitting("its last message", last, message.as_ref())
    }
}

/// A comment or white space that comes from now on.
async fn beat(peer: &Peer, number: usize, deadline: Instant) -> Finding {
    let began = Instant::now();
    let beats = |peer: &Peer| peer.streamed(number).is_some_and(|seen| seen.beats.last().is_some_and(|at| *at > began));
    peer.until(deadline, |peer| beats(peer) || peer.ended(number).is_some()).await;
    if beats(peer) {
        return Finding::pass();
    }
    let waited = began.elapsed().max(Duration::from_millis(1)).as_secs_f64();
    Finding::new(Verdict::Fail, format!("nothing kept the stream alive for {waited:.1} s; {}", came(peer, number)))
}

/// What came of a stream, in words.
fn came(peer: &Peer, number: usize) -> String {
    let Some(seen) = peer.streamed(number) else {
        return match peer.ended_with(number) {
            Some(answer) => describe(&Came::Answer(Box::new(answer))),
            None => "nothing came".into(),
        };
    };
    let last = seen.batches.last().map_or_else(
        || "no batch came".to_owned(),
        |batch| match &batch.messages {
            Ok(messages) => format!("the last batch was {}", Json::Array(messages.clone())),
            Err(why) => format!("the last batch could not be read: {why}"),
        },
    );
    match peer.ended(number) {
        Some(Err(error)) => format!("{last}, then {error}"),
        _ => last,
    }
}
