//! The acknowledge extension where several connects, one message, or a stream matter; and the bound of what it keeps.

use super::ack::{Pair, data, equal, number_of};
use super::subscribe::{failed, run};
use super::{code, hardened};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Outcome, Peer, STREAM_CONNECT, Transport, is_event, with_accept};
use crate::scene::Scene;
use crate::verdict::Level::{Must, Should};
use crate::verdict::{Finding, Verdict};
use crate::wire::http::{Body, Request};
use std::rc::Rc;
use tokio::time::Instant;

/// These cases.
pub(super) fn cases() -> Vec<Case> {
    const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    const HELD: &[Transport] = &[Transport::LongPolling, Transport::CallbackPolling, Transport::WebSocket];
    const STREAMS: &[Transport] = &Transport::STREAMS;
    const EVENTS: &[Transport] = &[Transport::EventSource];
    const GETS: &[Transport] = &[Transport::EventSource, Transport::Iframe];
    let ack = |case: Case| Case { needs: vec!["ack".into()], ..case };
    let stream = |case: Case| Case { needs: vec!["ack".into(), STREAM_CONNECT.into()], ..case };
    vec![
        ack(hardened(code(
            "AK-013",
            Must,
            &["BX-ACK-5", "BX-LM-2"],
            BOTH,
            constant,
            "a client that names the same number for ever makes the server keep no more than a limit",
        ))),
        ack(code(
            "AK-016",
            Must,
            &["BX-ACK-8"],
            HELD,
            superseded,
            "the reply to a connect whose place a newer one takes has no number",
        )),
        stream(code(
            "AK-020",
            Must,
            &["BX-ACK-8"],
            STREAMS,
            superseded_stream,
            "the last reply of a stream whose place a newer connect takes has no number",
        )),
        ack(code(
            "AK-017",
            Should,
            &["BX-ACK-9"],
            BOTH,
            together,
            "events and the reply with their number are one array, the reply last",
        )),
        stream(code(
            "AK-018",
            Must,
            &["BX-ACK-4"],
            STREAMS,
            on_stream,
            "on a stream each batch of events ends in a reply with a number, and the stream goes on",
        )),
        stream(code(
            "AK-019",
            Must,
            &["BX-ST-5", "BX-ACK-3"],
            EVENTS,
            last_event,
            "Last-Event-ID acknowledges what it names, and what came behind it comes again",
        )),
        stream(code(
            "AK-021",
            Must,
            &["BX-ACK-3"],
            GETS,
            beside,
            "a connect that is posted beside a stream acknowledges too",
        )),
        stream(code(
            "AK-022",
            Must,
            &["BX-ACK-3"],
            STREAMS,
            cut,
            "what came on a stream that was cut and was not acknowledged comes again on the next one",
        )),
        stream(code(
            "AK-024",
            Must,
            &["BX-ACK-3"],
            STREAMS,
            read_to_end,
            "who names the number of a stream's last reply gets nothing of that stream again",
        )),
    ]
}

/// Up to sixteen megabytes for a client that never acknowledges.
fn constant(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        for number in 0..280_u64 {
            let event = object([("n", number.into()), ("text", "x".repeat(60_000).into())]);
            if let Err(why) = pair.publish_data(event).await {
                // The server may refuse publishes rather than end a session.
                return Ok(Finding::new(Verdict::Nonstrict, format!("publishes are refused: {why}")));
            }
            if number % 20 > 0 {
                continue;
            }
            let mut connect = pair.peer.connect_message();
            connect.set("advice", object([("timeout", 0.into())]));
            connect.set("ext", object([("ack", first.number.clone())]));
            let outcome = pair.peer.request(connect).await;
            pair.peer.take_events();
            match &outcome {
                Outcome::Reply { .. } if outcome.success().is_ok() => {}
                Outcome::Silence(_) | Outcome::Unreachable(_) => return Ok(failed(outcome.to_string())),
                _ => return Ok(crate::run::alive(&scene).await.map_or_else(failed, |()| Finding::pass())),
            }
        }
        Ok(Finding::new(Verdict::Nonstrict, "sixteen megabytes are kept for it: no bound can be seen"))
    })
}

fn superseded(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        let connect = || {
            let mut connect = pair.peer.connect_message();
            connect.set("ext", object([("ack", first.number.clone())]));
            connect
        };
        let older = pair.peer.send(&[connect()]);
        // When this is answered, the connect before it is held.
        pair.peer.subscribe(&format!("{}/aside", scene.base)).await?;
        let newer = pair.peer.send(&[connect()]);
        // Who never answers the older one is not waited for until the session is over.
        let budget = &scene.target.budget;
        let deadline = Instant::now() + budget.answer().min(budget.timeout / 2);
        if let Outcome::Reply { message, .. } = pair.peer.outcome(&older, 0, deadline).await
            && let Some(number) = number_of(&message)
        {
            return Ok(failed(format!("the reply to the older connect has ext.ack {number}")));
        }
        pair.publish(1..=1).await?;
        let outcome = pair.peer.outcome(&newer, 0, Instant::now() + scene.target.budget.held()).await;
        let number = outcome.success().ok().and_then(|reply| number_of(&reply));
        let Some(number) = number else { return Ok(failed(format!("the newer connect: {outcome}"))) };
        let mut came = pair.events();
        // The timeout of the connect may have been over before the event was there.
        came.extend(if came.is_empty() { pair.until(&number, 1).await?.events } else { Vec::new() });
        Ok(equal("with the newer connect", &came, &[1]))
    })
}

fn superseded_stream(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let older = open_stream(&scene, &pair, None).await?;
        let newer = open_stream(&scene, &pair, None).await?;
        let deadline = Instant::now() + scene.target.budget.answer();
        pair.peer.until(deadline, |peer| peer.ended(older).is_some()).await;
        let batches = pair.peer.streamed(older).map(|seen| seen.batches).unwrap_or_default();
        let last = batches.last().and_then(|batch| batch.messages.as_ref().ok()?.last());
        if batches.len() > 1
            && let Some(number) = last.and_then(number_of)
        {
            return Ok(failed(format!("the last reply of the older stream has ext.ack {number}")));
        }
        pair.publish(1..=1).await?;
        let came = events_on(&scene, &pair.peer, newer, 1).await;
        Ok(equal("on the newer stream", &came, &[1]))
    })
}

/// One event ends a held connect, several wait for one.
fn together(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        let mut connect = pair.peer.connect_message();
        connect.set("ext", object([("ack", first.number.clone())]));
        let held = pair.peer.send(&[connect]);
        pair.publish(1..=1).await?;
        let outcome = pair.peer.outcome(&held, 0, Instant::now() + scene.target.budget.held()).await;
        let second = number_of(&outcome.success()?).ok_or("a connect reply without ext.ack")?;
        pair.publish(2..=3).await?;
        pair.until(&second, 3).await?;
        for array in pair.peer.arrays() {
            let Some(last) = array.iter().rposition(is_event) else { continue };
            let has_number = |message: &Json| number_of(message).is_some();
            if !array[last..].iter().any(has_number) {
                return Ok(failed(format!("an array of events without their number: {}", Json::Array(array))));
            }
        }
        Ok(Finding::pass())
    })
}

/// Opens a stream by a connect with this number, and waits for its first reply.
async fn open_stream(scene: &Scene, pair: &Pair, acknowledged: Option<&Json>) -> Result<usize, String> {
    let mut connect = pair.peer.connect_message();
    if let Some(number) = acknowledged {
        connect.set("ext", object([("ack", number.clone())]));
    }
    let sent = pair.peer.send(&[connect]);
    let outcome = pair.peer.outcome(&sent, 0, Instant::now() + scene.target.budget.answer()).await;
    outcome.success()?;
    Peer::exchange_of(&sent).ok_or_else(|| "a stream is read over HTTP".into())
}

/// The events on a stream, once there are so many.
async fn events_on(scene: &Scene, peer: &Peer, exchange: usize, count: usize) -> Vec<u64> {
    let events = |peer: &Peer| -> Vec<u64> {
        let batches = peer.streamed(exchange).map(|seen| seen.batches).unwrap_or_default();
        let messages = batches.into_iter().filter_map(|batch| batch.messages.ok()).flatten();
        messages.filter(is_event).filter_map(|event| data(&event)).collect()
    };
    let deadline = Instant::now() + scene.target.budget.answer();
    peer.until(deadline, |peer| events(peer).len() >= count).await;
    events(peer)
}

fn on_stream(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let exchange = open_stream(&scene, &pair, None).await?;
        for number in 1..=3 {
            pair.publish(number..=number).await?;
            let came = events_on(&scene, &pair.peer, exchange, number as usize).await;
            if came.last() != Some(&number) {
                return Ok(failed(format!("event {number} did not come on the stream")));
            }
        }
        let streamed = pair.peer.streamed(exchange).ok_or("no stream")?;
        let mut last = None;
        for batch in streamed.batches {
            let messages = batch.messages?;
            let number = messages.last().and_then(number_of).and_then(|number| number.as_f64());
            let shown = Json::Array(messages);
            match number {
                None => return Ok(failed(format!("a batch that ends in no reply with a number: {shown}"))),
                Some(number) if last.is_some_and(|last| number < last) => {
                    return Ok(failed(format!("the number went back: {shown}")));
                }
                Some(number) => last = Some(number),
            }
        }
        Ok(match pair.peer.ended(exchange) {
            None => Finding::pass(),
            Some(end) => failed(format!("the stream has ended: {end:?}")),
        })
    })
}

/// Two events in two batches; then the stream is opened anew, each time behind one of them.
fn last_event(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let exchange = open_stream(&scene, &pair, None).await?;
        for number in 1..=2 {
            pair.publish(number..=number).await?;
            events_on(&scene, &pair.peer, exchange, number as usize).await;
        }
        let streamed = pair.peer.streamed(exchange).ok_or("no stream")?;
        let with_event = |number: u64| {
            let has = |messages: &Vec<Json>| messages.iter().any(|message| data(message) == Some(number));
            streamed.batches.iter().find(|batch| batch.messages.as_ref().is_ok_and(has)).map(|batch| batch.id.clone())
        };
        let (Some(one), Some(two)) = (with_event(1), with_event(2)) else {
            return Ok(failed("the events did not come on the stream".into()));
        };
        let (Some(one), Some(two)) = (one, two) else {
            return Ok(Finding::new(Verdict::Unimplemented, "the server gives its events no id"));
        };
        for (id, wanted) in [(one, &[2][..]), (two, &[])] {
            pair.peer.drop_connections();
            let connect = Json::Array(pair.peer.complete(&[pair.peer.connect_message()])).to_string();
            let mut request = with_accept(pair.peer.getting(&connect, ""), "text/event-stream");
            request.headers.push(("Last-Event-ID".into(), id.clone()));
            let exchange = pair.peer.start_stream(request);
            pair.publish(9..=9).await?;
            let mut came = events_on(&scene, &pair.peer, exchange, wanted.len() + 1).await;
            // The one that was published last is always there, unless the next stream's number acknowledges it.
            came.retain(|number| *number != 9);
            if came != wanted {
                return Ok(failed(format!("behind Last-Event-ID: {id} came {came:?}, and not {wanted:?}")));
            }
        }
        Ok(Finding::pass())
    })
}

fn beside(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let exchange = open_stream(&scene, &pair, None).await?;
        pair.publish(1..=1).await?;
        events_on(&scene, &pair.peer, exchange, 1).await;
        let streamed = pair.peer.streamed(exchange).ok_or("no stream")?;
        let messages = streamed.batches.last().and_then(|batch| batch.messages.clone().ok()).unwrap_or_default();
        let number = messages.last().and_then(number_of).ok_or("the event came without a number")?;
        let mut connect = pair.peer.connect_message();
        connect.set("ext", object([("ack", number)]));
        let body = Json::Array(pair.peer.complete(&[connect])).to_string();
        let mut headers = pair.peer.headers();
        headers.push(("Content-Type".into(), "application/json".into()));
        let body = Body::Sized(body.into_bytes());
        let request = Request { method: "POST".into(), target: scene.target.path(""), headers, body };
        let posted = pair.peer.start(request);
        let answer = pair.peer.answer(posted, Instant::now() + scene.target.budget.answer()).await;
        if !matches!(answer, Some(Ok(_))) {
            return Ok(failed("the connect that was posted beside the stream was not answered".into()));
        }
        pair.peer.drop_connections();
        let exchange = open_stream(&scene, &pair, None).await?;
        pair.publish(2..=2).await?;
        let came = events_on(&scene, &pair.peer, exchange, 1).await;
        Ok(equal("after 1 was acknowledged beside its stream", &came, &[2]))
    })
}

fn read_to_end(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let mut connect = pair.peer.connect_message();
        connect.set("advice", object([("timeout", 700.into())]));
        let sent = pair.peer.send(&[connect]);
        let exchange = Peer::exchange_of(&sent).ok_or("a stream is read over HTTP")?;
        pair.publish(1..=2).await?;
        let came = events_on(&scene, &pair.peer, exchange, 2).await;
        if came != [1, 2] {
            return Err(format!("on the stream came {came:?}"));
        }
        let deadline = Instant::now() + scene.target.budget.held();
        if !pair.peer.until(deadline, |peer| peer.ended(exchange).is_some()).await {
            return Err("the stream does not end".into());
        }
        let batches = pair.peer.streamed(exchange).map(|seen| seen.batches).unwrap_or_default();
        let last = batches.last().and_then(|batch| batch.messages.as_ref().ok()?.last());
        let number = last.and_then(number_of).ok_or("the stream ends without a number")?;
        let exchange = open_stream(&scene, &pair, Some(&number)).await?;
        pair.publish(3..=3).await?;
        let came = events_on(&scene, &pair.peer, exchange, 1).await;
        Ok(equal("on the next stream", &came, &[3]))
    })
}

fn cut(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        let exchange = open_stream(&scene, &pair, Some(&first.number)).await?;
        pair.publish(1..=2).await?;
        events_on(&scene, &pair.peer, exchange, 2).await;
        pair.peer.drop_connections();
        let exchange = open_stream(&scene, &pair, Some(&first.number)).await?;
        let came = events_on(&scene, &pair.peer, exchange, 2).await;
        Ok(equal("over the next stream", &came, &[1, 2]))
    })
}
