//! What a client may ask of one connection, and of two.

use super::code;
use super::subscribe::{failed, open, run};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Peer, Transport, messages_of};
use crate::scene::Scene;
use crate::verdict::Level::Must;
use crate::verdict::{Finding, Verdict};
use crate::wire::WireError;
use crate::wire::http::{Body, Request, Response, read_response};
use crate::wire::stream::Stream;
use std::rc::Rc;
use tokio::time::{Instant, timeout};

/// The cases about exchanges.
pub(super) fn cases() -> Vec<Case> {
    const HTTP: &[Transport] = &[Transport::LongPolling];
    vec![
        code(
            "ENV-021",
            Must,
            &["BX-OP-6", "BX-FLD-7"],
            HTTP,
            one_after_the_other,
            "a hundred requests on one connection are each answered, and not by the reply to another",
        ),
        code(
            "ENV-029",
            Must,
            &["BX-OP-1"],
            HTTP,
            two_connections,
            "two connections at a time are enough for all that a client does",
        ),
    ]
}

const EXCHANGES: usize = 100;

fn one_after_the_other(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let a = Peer::new(&scene, "a", transport);
        a.handshake(None).await?;
        let mut stream = connect(&scene).await?;
        for number in 0..EXCHANGES {
            let (id, channel) = (Json::from(format!("n{number}")), format!("{}/{}", scene.base, number % 10));
            let message = request("/meta/subscribe", [("subscription", channel.into()), ("id", id.clone())]);
            let answer = timeout(scene.target.budget.answer(), exchange(&scene, &a, &mut stream, message)).await;
            let response = match answer {
                Ok(Ok(response)) => response,
                Ok(Err(WireError::Closed { .. })) if number > 0 => return Ok(ended(number - 1)),
                Ok(Err(error)) => return Ok(failed(format!("request {number} of {EXCHANGES}: {error}"))),
                Err(_) => return Ok(failed(format!("request {number} of {EXCHANGES} was not answered"))),
            };
            let replies = messages_of(&response.body)?;
            if !matches!(replies.as_slice(), [reply] if reply.get("id") == Some(&id)) {
                let replies = Json::Array(replies);
                return Ok(failed(format!("request {number} of {EXCHANGES}, with the id {id}: {replies}")));
            }
            if response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                return Ok(ended(number));
            }
        }
        Ok(Finding::pass())
    })
}

/// A server may let a connection end, and says so.
fn ended(number: usize) -> Finding {
    Finding::new(Verdict::Unimplemented, format!("the server lets a connection end after {} requests", number + 1))
}

/// A connect is held on the one, and everything else goes over the other meanwhile.
fn two_connections(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let a = Peer::new(&scene, "a", transport);
        a.handshake(None).await?;
        a.drop_connections();
        let b = open(&scene, "b", transport).await?;
        let (mut held, mut other) = (connect(&scene).await?, connect(&scene).await?);
        let mut first = a.connect_message();
        first.set("advice", object([("timeout", 0.into())]));
        ask(&scene, &a, &mut held, first).await?;
        let interval = scene.target.budget.interval.max(a.interval());
        Peer::elapse(interval).await;
        renew(&scene, &mut held).await?;
        let message = a.complete(&[a.connect_message()]);
        held.write(&post(&scene, &a, &message)).await.map_err(|error| error.to_string())?;
        let began = Instant::now();
        let channel = format!("{}/x", scene.base);
        for (what, name) in [("/meta/subscribe", "y"), ("/meta/unsubscribe", "y"), ("/meta/subscribe", "x")] {
            let subscription = format!("{}/{name}", scene.base).into();
            let message = request(what, [("subscription", subscription)]);
            if let Err(why) = ask(&scene, &a, &mut other, message).await {
                return Ok(failed(format!("beside the connect that is held, {what}: {why}")));
            }
        }
        let budget = &scene.target.budget;
        let bound = budget.timeout.mul_f64(0.8);
        if began.elapsed() > bound {
            let late = || failed("what was asked for beside the connect was answered when its time was over".into());
            return Ok(if budget.tells_apart(bound) { late() } else { Finding::too_close(budget) });
        }
        b.publish(&channel, 7.into()).await?;
        let answer = timeout(scene.target.budget.held(), read_response(&mut held, "POST")).await;
        let Ok(Ok(answer)) = answer else { return Ok(failed("the connect was not answered".into())) };
        let mut came = messages_of(&answer.body)?;
        if !answer.reusable {
            held = connect(&scene).await?;
        }
        Peer::elapse(interval).await;
        let mut last = a.connect_message();
        last.set("advice", object([("timeout", 0.into())]));
        came.extend(ask(&scene, &a, &mut held, last).await?);
        came.extend(ask(&scene, &a, &mut other, request("/meta/disconnect", [])).await?);
        let events = came.iter().filter(|message| message.get("data") == Some(&7.into())).count();
        Ok(if events == 1 { Finding::pass() } else { failed(format!("the event came {events} times")) })
    })
}

async fn connect(scene: &Scene) -> Result<Stream, String> {
    Stream::connect(&scene.target.address).await.map_err(|error| error.to_string())
}

/// A new connection in the place of one that the server ended: it may do so behind any answer.
async fn renew(scene: &Scene, stream: &mut Stream) -> Result<(), String> {
    if !stream.buffer.is_empty() || !stream.is_idle().await {
        *stream = connect(scene).await?;
    }
    Ok(())
}

fn request<const N: usize>(channel: &str, members: [(&str, Json); N]) -> Json {
    let mut message = object([("channel", channel.into())]);
    for (name, value) in members {
        message.set(name, value);
    }
    message
}

fn post(scene: &Scene, peer: &Peer, messages: &[Json]) -> Vec<u8> {
    let mut headers = peer.headers();
    headers.push(("Content-Type".into(), "application/json".into()));
    let body = Body::Sized(Json::Array(messages.to_vec()).to_string().into_bytes());
    Request { method: "POST".into(), target: scene.target.path(""), headers, body }.encode(&scene.target.host())
}

async fn exchange(scene: &Scene, peer: &Peer, stream: &mut Stream, message: Json) -> Result<Response, WireError> {
    stream.write(&post(scene, peer, &peer.complete(&[message]))).await?;
    read_response(stream, "POST").await
}

/// An exchange that succeeds, with all that came along.
async fn ask(scene: &Scene, peer: &Peer, stream: &mut Stream, message: Json) -> Result<Vec<Json>, String> {
    renew(scene, stream).await?;
    let answer = timeout(scene.target.budget.answer(), exchange(scene, peer, stream, message)).await;
    let response = answer.map_err(|_| "no answer came".to_owned())?.map_err(|error| error.to_string())?;
    if !response.reusable {
        *stream = connect(scene).await?;
    }
    let messages = messages_of(&response.body)?;
    match messages.iter().all(|message| message.get("successful").and_then(Json::as_bool) != Some(false)) {
        true => Ok(messages),
        false => Err(format!("it was answered by {}", Json::Array(messages))),
    }
}
