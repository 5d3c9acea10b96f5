//! A WebSocket of a client, from the server's side.

use super::connection::{changed, listed, read};
use super::outgoing::{Outgoing, torn};
use super::{Arrival, Arrived, Ending, Slot, Stage};
use crate::case::Cut;
use crate::json::{Json, object};
use crate::peer::Transport;
use crate::wire::WireError;
use crate::wire::stream::Stream;
use crate::wire::websocket::{Frame, Incoming, Reader, Sender, opcode};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// How long the answer to a close frame is waited for.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a WebSocket ended, if it did.
enum Done {
    No,
    Closed,
    Reset,
}

/// Serves a WebSocket to its end.
pub(super) async fn serve(stage: &Rc<Stage>, number: usize, mut stream: Stream) {
    let (sender, mut outgoing) = mpsc::unbounded_channel();
    let mut reader = Reader::new(Sender::Client);
    let mut ending = stage.ending.subscribe();
    loop {
        let done = tokio::select! {
            biased;
            ending = changed(&mut ending) => match ending {
                Ending::Code(code) => close(stage, number, &mut stream, code).await,
                _ => Ok(Done::Reset),
            },
            Some(next) = outgoing.recv() => send(stage, number, &mut stream, next, &sender).await,
            incoming = reader.next(&mut stream) => match incoming {
                Ok(incoming) => take_in(stage, number, &mut stream, incoming, &sender).await,
                Err(error) => Err(error),
            },
        };
        match done {
            Ok(Done::No) => {}
            Ok(Done::Closed) => return,
            Ok(Done::Reset) => return stream.reset(),
            Err(error) => {
                stage.note(format!("connection {number}: {error}"));
                if let WireError::Malformed(what) = &error {
                    stage.watch.borrow_mut().unreadable(what);
                }
                return;
            }
        }
    }
}

async fn take_in(
    stage: &Rc<Stage>,
    number: usize,
    stream: &mut Stream,
    incoming: Incoming,
    sender: &mpsc::UnboundedSender<Outgoing>,
) -> Result<Done, WireError> {
    let text = match incoming {
        Incoming::Text(text) => text,
        Incoming::Binary(bytes) => {
            stage.received(number, &bytes);
            stage.watch.borrow_mut().unreadable("a binary message");
            return Ok(Done::No);
        }
        Incoming::Ping(payload) => {
            stream.write(&frame(opcode::PONG, payload).encode()).await?;
            return Ok(Done::No);
        }
        Incoming::Pong(payload) => {
            stage.received(number, b"pong");
            let text = String::from_utf8_lossy(&payload).into_owned();
            let pong = object([("request", "pong".into()), ("payload", text.into())]);
            arrive(stage, number, vec![pong], &Json::Null, sender).await;
            return Ok(Done::No);
        }
        Incoming::Close(code) => {
            stage.received(number, format!("close {}", code.unwrap_or(1005)).as_bytes());
            stream.write(&frame(opcode::CLOSE, code.unwrap_or(1000).to_be_bytes()).encode()).await?;
            return Ok(Done::Closed);
        }
    };
    stage.received(number, text.as_bytes());
    match read(text.as_bytes()) {
        Ok(batch) => {
            stage.watch.borrow_mut().batch(&batch);
            arrive(stage, number, listed(batch.clone()), &batch, sender).await;
        }
        Err(why) => stage.watch.borrow_mut().unreadable(&why),
    }
    Ok(Done::No)
}

async fn arrive(
    stage: &Rc<Stage>,
    number: usize,
    messages: Vec<Json>,
    whole: &Json,
    sender: &mpsc::UnboundedSender<Outgoing>,
) {
    let request = object([("transport", Transport::WebSocket.name().into()), ("batch", whole.clone())]);
    let count = messages.len();
    for message in messages {
        let arrived = Arrived {
            at: Instant::now(),
            message,
            request: request.clone(),
            connection: number,
            over: Transport::WebSocket,
            batch: count,
            slot: Slot::Socket(sender.clone()),
        };
        // The case is over: its connections are about to end.
        let _ = stage.inbox.send(Arrival::Message(Box::new(arrived))).await;
    }
}

/// Servers do not mask.
fn frame(opcode: u8, payload: impl Into<Vec<u8>>) -> Frame {
    Frame { opcode, masked: false, ..Frame::text(payload) }
}

async fn send(
    stage: &Rc<Stage>,
    number: usize,
    stream: &mut Stream,
    mut outgoing: Outgoing,
    sender: &mpsc::UnboundedSender<Outgoing>,
) -> Result<Done, WireError> {
    if !outgoing.manner.delay.is_zero() {
        // Others may overtake it.
        let delay = std::mem::take(&mut outgoing.manner.delay);
        let sender = sender.clone();
        tokio::task::spawn_local(async move {
            sleep(delay).await;
            // A WebSocket that is gone does not want it any more.
            let _ = sender.send(outgoing);
        });
        return Ok(Done::No);
    }
    let manner = &outgoing.manner;
    if manner.never {
        return Ok(Done::No);
    }
    if let Some(code) = manner.close {
        return close(stage, number, stream, code).await;
    }
    let body = outgoing.body();
    let frames = if manner.frames.is_empty() { pieces(&body, manner.split) } else { manner.frames.clone() };
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
    match manner.cut {
        Some(Cut::Before) => return Ok(Done::Closed),
        Some(Cut::Reset) => return Ok(Done::Reset),
        Some(Cut::Head | Cut::Body) => {
            stage.sent(number, &body[..body.len() / 2]);
            stream.write(&bytes[..bytes.len() / 2]).await?;
            return Ok(Done::Closed);
        }
        None => {}
    }
    let shown = if manner.frames.is_empty() { body } else { format!("frames: {:?}", manner.frames).into_bytes() };
    stage.sent(number, &shown);
    let mut last = Instant::now();
    if let Some((count, every)) = manner.trickle {
        for piece in bytes.chunks(count) {
            sleep(every).await;
            last = Instant::now();
            stream.write(piece).await?;
        }
    } else {
        stream.write(&bytes).await?;
    }
    outgoing.has_been_written(last);
    match manner.close_after {
        Some(code) => close(stage, number, stream, code).await,
        None => Ok(Done::No),
    }
}

/// A message of text, in two fragments that tear a character if it is to be split.
fn pieces(body: &[u8], split: bool) -> Vec<Frame> {
    if !split {
        return vec![frame(opcode::TEXT, body)];
    }
    let at = torn(body);
    let first = Frame { fin: false, ..frame(opcode::TEXT, &body[..at]) };
    vec![first, frame(opcode::CONTINUATION, &body[at..])]
}

async fn close(stage: &Rc<Stage>, number: usize, stream: &mut Stream, code: u16) -> Result<Done, WireError> {
    stage.sent(number, format!("close {code}").as_bytes());
    stream.write(&frame(opcode::CLOSE, code.to_be_bytes()).encode()).await?;
    // The client answers with a close frame of its own; one that does not is not waited for.
    let _ = tokio::time::timeout(FAREWELL, async { while stream.fill(false).await.is_ok() {} }).await;
    Ok(Done::Closed)
}
