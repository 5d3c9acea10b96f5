//! Requests over HTTP: JSON and forms that are posted, callback-polling by GET, and the upgrade to a WebSocket.

use crate::body::{Body, Reply, refuse};
use crate::cookie::Browser;
use crate::defect::Defect;
use crate::framing::{Framing, json, named_connect, script_json};
use crate::message::{self, Malformed, Message, read_batch};
use crate::websocket;
use crate::world::{Origin, World};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_DISPOSITION,
    CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, SET_COOKIE, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, StatusCode};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The largest body that is read.
const MAX_BODY: usize = 4 << 20;
/// The longest name of a callback.
const MAX_CALLBACK: usize = 64;
/// Whose sessions those are that pages of other sites make.
const ELSEWHERE: &str = "elsewhere";

/// How the messages of a response are written.
enum Form {
    Json,
    Script(String),
}

/// What some defects take for a large head.
const LARGE_HEAD: usize = 32 << 10;
/// Which request of a connection is answered wrongly, with a defect.
const TIRED: usize = 50;
/// Stands for a connection that ends without an answer, for a defect.
const DROPPED: StatusCode = StatusCode::IM_A_TEAPOT;

/// What was answered on a connection: how often, and what at last.
#[derive(Default)]
pub(crate) struct Answered {
    count: usize,
    last: Option<Reply>,
}

/// Answers a request of a connection. The error ends the connection.
pub(crate) async fn serve(
    world: Arc<World>,
    answered: Arc<Mutex<Answered>>,
    request: Request<Incoming>,
) -> std::io::Result<Reply> {
    let mut reply = answer(&world, request).await?;
    if world.has(Defect::TiredConnection) {
        let mut answered = answered.lock().expect("nobody panics with it");
        answered.count += 1;
        if answered.count == TIRED {
            reply = answered.last.take().unwrap_or(reply);
        }
        answered.last = again(&reply);
    }
    Ok(reply)
}

/// The same response again, unless it is a stream.
fn again(reply: &Reply) -> Option<Reply> {
    let mut copy = Reply::new(reply.body().again()?);
    *copy.status_mut() = reply.status();
    *copy.headers_mut() = reply.headers().clone();
    Some(copy)
}

async fn answer(world: &Arc<World>, request: Request<Incoming>) -> std::io::Result<Reply> {
    let head: usize = request.headers().values().map(|value| value.len()).sum();
    if head > LARGE_HEAD && world.has(Defect::LargeHeadUnanswered) {
        return std::future::pending().await;
    }
    let path = request.uri().path();
    if path != "/bayeux" && !path.starts_with("/bayeux/") {
        return Ok(refuse(StatusCode::NOT_FOUND));
    }
    let browser = Browser::of(request.headers());
    let origin = request.headers().get(ORIGIN).cloned();
    let answered = match *request.method() {
        Method::OPTIONS if world.has(Defect::CorsForAll) => Ok(refuse(StatusCode::NO_CONTENT)),
        Method::GET if request.headers().contains_key(UPGRADE) => websocket::upgrade(world.clone(), request, browser),
        Method::GET => get(world, &request, browser).await,
        Method::POST => post(world, request, browser).await,
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    };
    let mut reply = match answered {
        Ok(reply) => reply,
        Err(DROPPED) => return Err(std::io::Error::other("the connection ends for a defect")),
        Err(status) => refuse(status),
    };
    if let Some(origin) = origin.filter(|_| world.has(Defect::CorsForAll)) {
        reply.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        reply.headers_mut().insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    Ok(reply)
}

async fn post(world: &Arc<World>, request: Request<Incoming>, browser: Browser) -> Result<Reply, StatusCode> {
    if !websocket::is_same_site(request.headers()) && !world.has(Defect::OtherSitesAccepted) {
        return Err(StatusCode::FORBIDDEN);
    }
    let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default().to_ascii_lowercase());
    let kind = kind.as_deref().map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let is_form = kind == Some("application/x-www-form-urlencoded");
    // A page of another site can post text/plain without asking; what it posts is not ours to run.
    let known = kind.is_none_or(|kind| kind == "application/json") || world.has(Defect::OtherSitesAccepted);
    if !is_form && !known {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let body = read(world, request.into_body()).await?;
    let batch = if is_form { messages_of_form(world, &body).await } else { understand(world, &body).await };
    if batch.is_err() && world.has(Defect::BrokenBatchRun) {
        world.receive(&message::read_beginning(&body), &Origin::http(browser.clone()));
    }
    let batch = batch?;
    if world.has(Defect::OddIdEndsConnection) && batch.iter().any(message::has_odd_id) {
        return Err(DROPPED);
    }
    let alone = batch.len() == 1 || world.has(Defect::CompanyStreams);
    let lines = batch.iter().find(|message| opens(message) == Some("xhr-streaming")).filter(|_| alone);
    if let Some(connect) = lines {
        return Ok(world.stream(connect, &Origin::http(browser), Framing::Lines));
    }
    Ok(run(world, &batch, Origin::http(browser), Form::Json).await)
}

/// The connection type of a connect.
fn opens(message: &Message) -> Option<&str> {
    let kind = message::text(message, "connectionType")?;
    (message::channel(message) == "/meta/connect").then_some(kind)
}

/// A GET: a stream that is opened by its URL or by a connect in its query, or a script.
async fn get(world: &Arc<World>, request: &Request<Incoming>, browser: Browser) -> Result<Reply, StatusCode> {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let field = |wanted: &str| {
        form_urlencoded::parse(query).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let accepts =
        request.headers().get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    let name = request.uri().path().strip_prefix("/bayeux/").filter(|name| !name.is_empty());
    if let Some(name) = name.filter(|_| accepts && field("message").is_none() && !world.has(Defect::NamedStreamUnknown))
    {
        return stream(world, request, browser, &named_connect(name), Framing::Events);
    }
    let batch = messages_of_form(world, query).await?;
    if field("jsonp").is_none() {
        match batch.as_slice() {
            [connect] if opens(connect) == Some("eventsource") && !world.has(Defect::QueryStreamUnknown) => {
                return stream(world, request, browser, connect, Framing::Events);
            }
            [connect] if opens(connect) == Some("iframe") => {
                let parent = field("origin");
                if parent.as_deref().is_some_and(|parent| !is_own(request, parent)) && !world.has(Defect::AnyParent) {
                    return Err(StatusCode::FORBIDDEN);
                }
                return stream(world, request, browser, connect, Framing::page(parent));
            }
            _ => {}
        }
    }
    script(world, request, browser, &batch, field("jsonp")).await
}

/// Whether an origin is the server's own.
fn is_own(request: &Request<Incoming>, origin: &str) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    origin.split_once("://").map(|(_, name)| name) == host
}

fn stream(
    world: &Arc<World>,
    request: &Request<Incoming>,
    browser: Browser,
    connect: &Message,
    framing: Framing,
) -> Result<Reply, StatusCode> {
    if !websocket::is_same_site(request.headers()) && !world.has(Defect::OtherSitesAccepted) {
        return Err(StatusCode::FORBIDDEN);
    }
    let last_event = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    Ok(world.stream(connect, &Origin { last_event, ..Origin::http(browser) }, framing))
}

async fn script(
    world: &Arc<World>,
    request: &Request<Incoming>,
    browser: Browser,
    batch: &[Message],
    callback: Option<String>,
) -> Result<Reply, StatusCode> {
    let callback = callback.unwrap_or_else(|| "jsonpcallback".into());
    if !is_callback(world, &callback) && !world.has(Defect::CallbackUnchecked) {
        return Err(StatusCode::BAD_REQUEST);
    }
    // The cookies of such a request were sent by a browser that did not ask.
    let elsewhere = !websocket::is_same_site(request.headers()) && !world.has(Defect::ScriptCookieTrusted);
    let browser = if elsewhere { Browser { id: ELSEWHERE.into(), is_new: false } } else { browser };
    let origin = Origin { script: true, ..Origin::http(browser) };
    Ok(run(world, batch, origin, Form::Script(callback)).await)
}

fn is_callback(world: &World, name: &str) -> bool {
    let more: &[u8] = if world.has(Defect::CallbackDotRefused) {
        b"_$-"
    } else if world.has(Defect::CallbackDashRefused) {
        b"_$."
    } else {
        b"_$.-"
    };
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
    (1..=MAX_CALLBACK).contains(&name.len()) && name.bytes().all(is_harmless)
}

async fn read(world: &World, mut body: Incoming) -> Result<Vec<u8>, StatusCode> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Err(_) if world.has(Defect::HalfBodyRun) => break,
            frame => frame.map_err(|_| StatusCode::BAD_REQUEST)?,
        };
        let Ok(chunk) = frame.into_data() else { continue };
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if world.has(Defect::CharacterSplitByChunks) {
            bytes.extend_from_slice(String::from_utf8_lossy(&chunk).as_bytes());
        } else {
            bytes.extend_from_slice(&chunk);
        }
        if world.has(Defect::FirstPieceOnly) {
            break;
        }
    }
    Ok(bytes)
}

async fn messages_of_form(world: &World, form: &[u8]) -> Result<Vec<Message>, StatusCode> {
    let mut batch = Vec::new();
    for (_, value) in form_urlencoded::parse(form).filter(|(name, _)| name == "message") {
        batch.extend(understand(world, value.as_bytes()).await?);
    }
    if world.has(Defect::EmptyFormAccepted) {
        return Ok(batch);
    }
    if batch.is_empty() { Err(StatusCode::BAD_REQUEST) } else { Ok(batch) }
}

async fn understand(world: &World, text: &[u8]) -> Result<Vec<Message>, StatusCode> {
    match read_batch(world, text) {
        Ok(batch) => Ok(batch),
        Err(Malformed::Json) if world.has(Defect::BadJsonUnanswered) => std::future::pending().await,
        Err(Malformed::Depth) if world.has(Defect::DeepNestingUnanswered) => std::future::pending().await,
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

async fn run(world: &Arc<World>, batch: &[Message], origin: Origin, form: Form) -> Reply {
    while world.has(Defect::SubscribeBehindConnect) && is_behind(world, batch) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = world.receive(batch, &origin);
    let mut messages = answer.messages;
    for waiting in answer.waiting {
        messages.extend(waiting.answer().await);
    }
    let mut reply = write(world, &messages, form);
    let is_refused = |message: &Message| message.get("successful") == Some(&Value::Bool(false));
    if world.has(Defect::RefusalIsHttpError) && messages.iter().all(is_refused) {
        *reply.status_mut() = StatusCode::BAD_REQUEST;
    }
    if world.has(Defect::HeadLinesFromIds) {
        let ids = batch.iter().filter_map(|message| message::text(message, "id"));
        for (name, value) in ids.flat_map(str::lines).filter_map(|line| line.split_once(": ")) {
            let parsed = (name.parse::<HeaderName>(), value.parse::<HeaderValue>());
            if let (Ok(name), Ok(value)) = parsed {
                reply.headers_mut().append(name, value);
            }
        }
    }
    if answer.shook_hands && origin.browser.is_new {
        let cookie = HeaderValue::from_str(&origin.browser.set_cookie()).expect("it is letters and digits");
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    reply
}

/// Whether a batch subscribes for a session whose connect is held.
fn is_behind(world: &World, batch: &[Message]) -> bool {
    let state = world.state();
    batch.iter().filter(|message| message::channel(message) == "/meta/subscribe").any(|message| {
        let session = message::text(message, "clientId").and_then(|id| state.sessions.get(id));
        session.is_some_and(|session| session.held.is_some() && session.streams.is_none())
    })
}

fn write(world: &World, messages: &[Message], form: Form) -> Reply {
    let only_replies = matches!(form, Form::Script(_)) && world.has(Defect::ScriptWithoutEvents);
    let is_written = |message: &&Message| !only_replies || message.contains_key("successful");
    let messages: Vec<_> = messages.iter().filter(is_written).cloned().collect();
    let json = json(&messages);
    let is_script = matches!(form, Form::Script(_));
    let (mut kind, body) = match form {
        Form::Script(_) if world.has(Defect::ScriptWithoutCallback) => ("application/json;charset=UTF-8", json),
        Form::Json => ("application/json;charset=UTF-8", json),
        Form::Script(callback) => {
            ("text/javascript;charset=UTF-8", format!("/**/{callback}({});", script_json(world, &json)))
        }
    };
    if world.has(Defect::HtmlContentType) {
        kind = "text/html;charset=UTF-8";
    }
    let mut reply = Reply::new(Body::from(body));
    let headers = reply.headers_mut();
    if is_script && !world.has(Defect::ScriptShown) {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=f.txt"));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if !world.has(Defect::Sniffable) {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    if !world.has(Defect::Cacheable) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    reply
}
