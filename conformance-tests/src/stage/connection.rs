//! One connection of a client: requests over HTTP, each answered as the script decides, until it becomes a WebSocket
//! or ends.

use super::outgoing::{Outgoing, together, torn};
use super::{Arrival, Arrived, Ending, Host, Slot, Stage, socket};
use crate::case::Cut;
use crate::json::{Json, object, parse};
use crate::peer::Transport;
use crate::wire::WireError;
use crate::wire::served::{Served, read_request};
use crate::wire::stream::Stream;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch as notice};
use tokio::time::{Instant, sleep};

/// How long the pause is between the two pieces of something that is torn.
const PAUSE: Duration = Duration::from_millis(30);

/// Serves a connection to its end.
pub(super) async fn serve(host: Rc<Host>, tcp: TcpStream) {
    let Ok(mut stream) = Stream::accepted(tcp) else { return };
    let mut known: Option<(Rc<Stage>, usize)> = None;
    loop {
        let request = match &known {
            None => read_request(&mut stream).await,
            Some((stage, _)) => tokio::select! {
                request = read_request(&mut stream) => request,
                ending = stage.ended() => return end(stream, ending),
            },
        };
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                if let (Some((stage, number)), WireError::Malformed(what)) = (&known, error) {
                    stage.note(format!("connection {number}: {what}"));
                }
                break;
            }
        };
        let Some(stage) = host.stage(request.path()) else {
            // The case is over, or there never was one.
            let _ = stream.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            break;
        };
        let number = match &known {
            Some((same, number)) if Rc::ptr_eq(same, &stage) => *number,
            _ => stage.next_connection(),
        };
        known = Some((stage.clone(), number));
        stage.received(number, &request.text());
        stage.watch.borrow_mut().request(&request);
        if *stage.ending.borrow() == Ending::Down {
            stage.attempts.set(stage.attempts.get() + 1);
            return stream.reset();
        }
        let keeps = request.keeps();
        let Some(open) = exchange(&stage, number, stream, request).await else { break };
        stream = open;
        if !keeps {
            break;
        }
    }
    if let Some((stage, number)) = known {
        // Nobody needs to know once the case is over.
        let _ = stage.inbox.send(Arrival::Gone(number)).await;
    }
}

fn end(stream: Stream, ending: Ending) {
    if !matches!(ending, Ending::Code(..)) {
        stream.reset();
    }
}

impl Stage {
    /// Waits until connections are to end.
    pub(super) async fn ended(&self) -> Ending {
        let mut notices = self.ending.subscribe();
        changed(&mut notices).await
    }
}

/// Waits for the next order to end.
pub(super) async fn changed(notices: &mut notice::Receiver<Ending>) -> Ending {
    loop {
        if notices.changed().await.is_err() {
            return Ending::Reset;
        }
        let ending = *notices.borrow_and_update();
        if ending != Ending::Open {
            return ending;
        }
    }
}

/// One request and its response; the connection if it stays open.
async fn exchange(stage: &Rc<Stage>, number: usize, mut stream: Stream, request: Served) -> Option<Stream> {
    if let Some(accept) = request.upgrade() {
        let outgoing = ask_for_socket(stage, number, &mut stream, &request).await?;
        if outgoing.manner.http.is_none() {
            stage.sent(number, &accept);
            stream.write(&accept).await.ok()?;
            socket::serve(stage, number, stream).await;
            return None;
        }
        return respond(stage, number, stream, outgoing).await;
    }
    let batch = match messages(&request) {
        Ok(batch) => batch,
        Err(why) => {
            stage.watch.borrow_mut().unreadable(&why);
            let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            stage.sent(number, refusal);
            return stream.write(refusal).await.is_ok().then_some(stream);
        }
    };
    let facts = facts(&request, Transport::LongPolling, &batch);
    stage.watch.borrow_mut().batch(&batch);
    let batch = listed(batch);
    let mut answers = Vec::new();
    let count = batch.len();
    for message in batch {
        let (slot, answer) = oneshot::channel();
        answers.push(answer);
        let arrived = Arrived {
            at: Instant::now(),
            message,
            request: facts.clone(),
            connection: number,
            over: Transport::LongPolling,
            batch: count,
            slot: Slot::Once(slot),
        };
        stage.inbox.send(Arrival::Message(Box::new(arrived))).await.ok()?;
    }
    let mut parts = Vec::new();
    let mut ending = stage.ending.subscribe();
    for answer in answers {
        parts.push(wait(stage, &mut stream, &mut ending, answer).await?);
    }
    let written: Vec<_> = parts.iter().map(|part| part.written.clone()).collect();
    let outgoing = together(parts);
    let whole = outgoing.written.clone();
    let open = respond(stage, number, stream, outgoing).await;
    for cell in written {
        cell.set(whole.get());
    }
    open
}

async fn ask_for_socket(stage: &Rc<Stage>, number: usize, stream: &mut Stream, request: &Served) -> Option<Outgoing> {
    let (slot, answer) = oneshot::channel();
    let arrived = Arrived {
        at: Instant::now(),
        message: object([("request", "upgrade".into())]),
        request: facts(request, Transport::WebSocket, &Json::Null),
        connection: number,
        over: Transport::WebSocket,
        batch: 1,
        slot: Slot::Once(slot),
    };
    stage.inbox.send(Arrival::Message(Box::new(arrived))).await.ok()?;
    let outgoing = wait(stage, stream, &mut stage.ending.subscribe(), answer).await?;
    if outgoing.manner.never {
        hang(stream, &mut stage.ending.subscribe()).await;
        return None;
    }
    Some(outgoing)
}

/// Waits for an answer, as long as the client does.
async fn wait(
    stage: &Rc<Stage>,
    stream: &mut Stream,
    ending: &mut notice::Receiver<Ending>,
    mut answer: oneshot::Receiver<Outgoing>,
) -> Option<Outgoing> {
    loop {
        let before = stream.buffer.len();
        tokio::select! {
            biased;
            outgoing = &mut answer => return outgoing.ok(),
            _ = changed(ending) => return None,
            more = stream.fill(false) => {
                more.ok()?;
                if before == 0 {
                    stage.watch.borrow_mut().pipelined(&stream.buffer);
                }
            }
        }
    }
}

/// Leaves the client without an answer until it gives up or the case is over.
async fn hang(stream: &mut Stream, ending: &mut notice::Receiver<Ending>) {
    tokio::select! {
        _ = changed(ending) => {}
        () = async { while stream.fill(false).await.is_ok() {} } => {}
    }
}

async fn respond(stage: &Rc<Stage>, number: usize, mut stream: Stream, outgoing: Outgoing) -> Option<Stream> {
    let manner = &outgoing.manner;
    sleep(manner.delay).await;
    if manner.never {
        hang(&mut stream, &mut stage.ending.subscribe()).await;
        return None;
    }
    let (head, body) = outgoing.response();
    match manner.cut {
        Some(Cut::Before) => return None,
        Some(Cut::Reset) => {
            stream.reset();
            return None;
        }
        _ if manner.close.is_some() => return None,
        Some(Cut::Head) => {
            stage.sent(number, &head);
            stream.write(&head).await.ok()?;
            return None;
        }
        Some(Cut::Body) => {
            let part = [&head[..], &body[..body.len() / 2]].concat();
            stage.sent(number, &part);
            stream.write(&part).await.ok()?;
            return None;
        }
        None => {}
    }
    stage.sent(number, &[&head[..], &body[..]].concat());
    let mut last = Instant::now();
    if let Some((bytes, every)) = manner.trickle {
        stream.write(&head).await.ok()?;
        for piece in body.chunks(bytes) {
            sleep(every).await;
            last = Instant::now();
            stream.write(piece).await.ok()?;
        }
    } else if manner.split {
        let at = torn(&body);
        stream.write(&[&head[..], &body[..at]].concat()).await.ok()?;
        sleep(PAUSE).await;
        last = Instant::now();
        stream.write(&body[at..]).await.ok()?;
    } else {
        stream.write(&[head, body].concat()).await.ok()?;
    }
    outgoing.has_been_written(last);
    manner.close_after.is_none().then_some(stream)
}

/// The messages of a request: a JSON body, or a form.
fn messages(request: &Served) -> Result<Json, String> {
    let form = request.header("content-type").is_some_and(|kind| kind.contains("application/x-www-form-urlencoded"));
    let text = if form {
        let mut fields = url::form_urlencoded::parse(&request.body);
        let message = fields.find(|(name, _)| name == "message").map(|(_, value)| value.into_owned());
        message.ok_or("the form has no message")?.into_bytes()
    } else {
        request.body.clone()
    };
    read(&text)
}

/// A batch, as it was written.
pub(super) fn read(text: &[u8]) -> Result<Json, String> {
    let parsed = parse(text).map_err(|error| error.to_string())?;
    if let Some(oddity) = parsed.oddities.first() {
        return Err(format!("{oddity:?}"));
    }
    match &parsed.value {
        Json::Array(items) if items.iter().all(|item| item.as_object().is_some()) => Ok(parsed.value),
        Json::Object(_) => Ok(parsed.value),
        other => Err(format!("{other} is no batch of messages")),
    }
}

/// The messages of a batch; a single object is one.
pub(super) fn listed(batch: Json) -> Vec<Json> {
    match batch {
        Json::Array(items) => items,
        single => vec![single],
    }
}

/// What patterns may say of a request.
pub(super) fn facts(request: &Served, over: Transport, batch: &Json) -> Json {
    let headers = request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().into()));
    object([
        ("method", request.method.as_str().into()),
        ("path", request.path().into()),
        ("headers", Json::Object(headers.collect())),
        ("transport", over.name().into()),
        ("batch", batch.clone()),
    ])
}
