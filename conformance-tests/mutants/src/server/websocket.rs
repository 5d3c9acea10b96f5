//! A WebSocket: text in, text out, events as they come.

use crate::body::Reply;
use crate::cookie::Browser;
use crate::defect::Defect;
use crate::framing;
use crate::message::{self, Malformed, has_odd_id, read_batch};
use crate::world::{Answer, Origin, World};
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, SET_COOKIE, UPGRADE,
};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

/// The largest message that is read.
const MAX_MESSAGE: usize = 4 << 20;
/// How many replies of connects may wait to be written.
const MAX_READY: usize = 64;
/// How many places for connections a frame costs with a defect.
const FRAME_PLACES: usize = 16;
/// How long a write may take.
const WRITE_TIME: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Answers a request for an upgrade; the socket is served by a task of its own.
pub(crate) fn upgrade(
    world: Arc<World>,
    mut request: Request<Incoming>,
    browser: Browser,
) -> Result<Reply, StatusCode> {
    let headers = request.headers();
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(StatusCode::BAD_REQUEST)?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| StatusCode::BAD_REQUEST)?;
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(StatusCode::UPGRADE_REQUIRED);
    }
    if !is_same_site(headers) && !world.has(Defect::OtherSitesAccepted) {
        return Err(StatusCode::FORBIDDEN);
    }
    let agreed = agreed(&world, headers);
    let mut response = Reply::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = response.headers_mut();
    fields.extend(agreed);
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if browser.is_new {
        let cookie = HeaderValue::from_str(&browser.set_cookie()).map_err(|_| StatusCode::BAD_REQUEST)?;
        fields.insert(SET_COOKIE, cookie);
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let origin = Origin { socket: Some(Arc::new(Notify::new())), ..Origin::http(browser) };
        talk(&world, socket, &origin).await;
        origin.socket.iter().for_each(|socket| world.detach(socket));
    });
    Ok(response)
}

/// What a defect agrees to: all that was asked for.
fn agreed(world: &World, headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let asked = [SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL].into_iter();
    let asked = asked.filter(|_| world.has(Defect::AnyExtensionAgreed));
    asked.filter_map(|name| headers.get(&name).cloned().map(|value| (name, value))).collect()
}

/// A page of another site may open a socket or post a form, with the user's cookies; only its Origin tells.
pub(crate) fn is_same_site(headers: &HeaderMap) -> bool {
    let text = |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let origin = text(headers.get(ORIGIN));
    let host = text(headers.get(HOST));
    let fetch = headers.get("sec-fetch-site");
    fetch.is_none_or(|site| site == "same-origin" || site == "none")
        && origin.is_none_or(|origin| origin.split_once("://").map(|(_, host)| host) == host.as_deref())
}

/// Reads and writes until the socket ends.
async fn talk(world: &Arc<World>, mut socket: Socket, origin: &Origin) {
    let pushes = origin.socket.clone().unwrap_or_default();
    let (sender, mut ready) = mpsc::channel(MAX_READY);
    // Connects that are held; those that still are when the socket ends are given up with this set.
    let mut held = JoinSet::new();
    loop {
        let messages = tokio::select! {
            frame = socket.next() => match frame.inspect(|_| leak(world)) {
                // Some clients send it to see whether anybody is there.
                Some(Ok(Frame::Text(text))) if text.trim() == "[]" => {
                    if !write(world, &mut socket, &[]).await {
                        return;
                    }
                    continue;
                }
                Some(Ok(frame @ (Frame::Text(_) | Frame::Binary(_)))) => match read(world, &frame.into_data(), origin) {
                    Ok(batch) if world.has(Defect::OddIdEndsConnection) && batch.iter().any(has_odd_id) => return,
                    Ok(batch) => {
                        let Answer { messages, waiting, .. } = world.receive(&batch, origin);
                        for waiting in waiting {
                            let sender = sender.clone();
                            held.spawn(async move { sender.send(waiting.answer().await).await });
                        }
                        messages
                    }
                    Err(_) if world.has(Defect::SocketBadJsonIgnored) => continue,
                    Err(_) => return close(&mut socket, CloseCode::Policy).await,
                },
                Some(Ok(Frame::Ping(_))) if world.has(Defect::PingEndsSocket) => return,
                Some(Ok(Frame::Close(_))) if world.has(Defect::CloseUnanswered) => return,
                Some(Ok(_)) => continue,
                Some(Err(error)) => return close(&mut socket, code_of(&error)).await,
                None => return,
            },
            Some(messages) = ready.recv() => messages,
            Some(_) = held.join_next() => continue,
            () = pushes.notified(), if !world.has(Defect::EventDoesNotWake) => world.take_pushed(&pushes),
        };
        if !messages.is_empty() && !write(world, &mut socket, &messages).await {
            return;
        }
    }
}

/// A batch; with a defect, what of a broken one can be read is carried out.
fn read(world: &Arc<World>, text: &[u8], origin: &Origin) -> Result<Vec<message::Message>, Malformed> {
    let batch = read_batch(world, text);
    if batch.is_err() && world.has(Defect::BrokenBatchRun) {
        world.receive(&message::read_beginning(text), origin);
    }
    batch
}

/// What a frame costs with a defect.
fn leak(world: &World) {
    if world.has(Defect::FramesLeak) {
        world.places.forget_permits(FRAME_PLACES);
    }
}

/// Whether it was taken in time.
async fn write(world: &World, socket: &mut Socket, messages: &[message::Message]) -> bool {
    let event = messages.iter().find(|message| message.contains_key("data"));
    let turn = event.filter(|_| world.has(Defect::SlowReaderBlocks)).map(|event| world.turn(message::channel(event)));
    let _turn = match turn {
        Some(turn) => Some(turn.lock_owned().await),
        None => None,
    };
    let numbered = messages.iter().position(|message| message.contains_key("ext"));
    if let Some(at) = numbered.filter(|at| *at > 0 && world.has(Defect::AckEventsApart)) {
        let (events, replies) = messages.split_at(at);
        let text = framing::json(events);
        return socket.send(Frame::text(text)).await.is_ok()
            && socket.send(Frame::text(framing::json(replies))).await.is_ok();
    }
    let text = framing::json(messages);
    let is_written = matches!(timeout(WRITE_TIME, socket.send(Frame::text(text))).await, Ok(Ok(())));
    let is_blank_due = messages.iter().any(|message| message::channel(message) == "/meta/connect");
    if is_blank_due && world.has(Defect::BlankTexts) {
        return is_written && socket.send(Frame::text(" ")).await.is_ok();
    }
    is_written
}

async fn close(socket: &mut Socket, code: CloseCode) {
    let frame = CloseFrame { code, reason: "".into() };
    // Whoever sent what can't be read may be gone; and waits not for ever if it is not.
    let farewell = async {
        let _ = socket.close(Some(frame)).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = timeout(WRITE_TIME, farewell).await;
}

fn code_of(error: &Error) -> CloseCode {
    match error {
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Capacity(_) => CloseCode::Size,
        _ => CloseCode::Protocol,
    }
}
