//! The steps of a case, as they are written in case files. The README of the suite has a table of them.

use super::expectation::Expectation;
use super::fields::Fields;
use super::look::Look;
use crate::json::Json;
use crate::pattern::{self, Variables, fill};
use crate::peer::Transport;

/// One step.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the line above a variant says what its fields are")]
pub enum Step {
    /// Peers shake hands, subscribe and, unless they are manual, keep a connect outstanding. What fails here blocks the case.
    Open(Open),
    /// A peer sends a batch; what each message should bring may stand beside it.
    Send { peer: String, messages: Vec<Json>, name: String, expect: Vec<Expectation>, when: When },
    /// What a batch that was sent before should have brought.
    Expect { name: String, expect: Vec<Expectation>, when: When },
    /// Exactly these events, or patterns of them, came to a peer since it was last asked.
    Received { peer: String, events: Vec<Json>, any_order: bool, own: bool },
    /// A request that is no batch, and what it should bring. One whose response may be a stream is named, and looked at by other steps.
    Http { request: HttpSpec, name: Option<String>, expect: Expectation, when: When },
    /// A look at the stream that answers a connect or a request.
    Stream { name: String, look: Look, when: When },
    /// A text in the place of a batch, over the peer's transport, and what it should bring.
    Text { peer: String, text: Vec<Part>, expect: Expectation, when: When },
    /// Bytes on a connection of their own, and as many responses as expectations.
    Raw { bytes: Vec<Part>, half_close: bool, expect: Vec<Expectation>, when: When },
    /// Frames on a peer's WebSocket, and what comes first then.
    Frames { peer: String, frames: Vec<FrameSpec>, expect: Expectation, when: When },
    /// A peer's connections are dropped without a word.
    Drop { peer: String },
    /// A peer keeps a connect outstanding from now on.
    Live { peer: String },
    /// A peer does so no longer.
    Release { peer: String },
    /// A name for a value.
    Let { name: String, value: Json },
    /// Time passes: in cases about time only.
    Elapse { time: String },
    /// The server still serves: a new session on a new connection gets what is published to it.
    Alive,
}

/// How peers are opened.
#[derive(Debug, Clone)]
pub struct Open {
    /// Their names.
    pub peers: Vec<String>,
    /// Another transport than the case's.
    pub transport: Option<Transport>,
    /// Sends its connects itself.
    pub manual: bool,
    /// What they subscribe to.
    pub subscribe: Vec<String>,
    /// Whose cookies they share.
    pub jar: Option<String>,
    /// Members of the handshake.
    pub handshake: Option<Json>,
}

/// When an answer should be there.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// At the latest, as [`crate::budget::Budget::time`] reads it; otherwise what an answer, or a held connect, may take.
    pub within: Option<String>,
    /// Not before.
    pub not_before: Option<String>,
}

/// A request over HTTP.
#[derive(Debug, Clone)]
pub struct HttpSpec {
    /// Whose cookies and connections are used; a stranger's if none is named.
    pub peer: Option<String>,
    /// GET, POST …
    pub method: String,
    /// What follows the endpoint's path.
    pub suffix: String,
    /// Head fields beside the target's own.
    pub headers: Vec<(String, Json)>,
    /// The body; several are chunks.
    pub body: Vec<Vec<Part>>,
    /// Sent in chunks, also if it is one.
    pub chunked: bool,
}

/// Part of a body, a payload or bytes.
#[derive(Debug, Clone)]
pub enum Part {
    /// Text, with variables.
    Text(String),
    /// A text so many times.
    Repeat(String, usize),
    /// Bytes.
    Bytes(Vec<u8>),
    /// JSON, with variables.
    Json(Json),
    /// JSON, with variables, as the value of a field of a form.
    Encoded(Json),
}

impl Part {
    /// The bytes of these parts, with the values of variables.
    pub fn bytes(parts: &[Self], variables: &Variables) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for part in parts {
            match part {
                Self::Text(text) => match fill(&text.as_str().into(), variables)? {
                    Json::String(text) => bytes.extend_from_slice(text.as_bytes()),
                    other => bytes.extend_from_slice(other.to_string().as_bytes()),
                },
                Self::Repeat(text, times) => bytes.extend_from_slice(text.repeat(*times).as_bytes()),
                Self::Bytes(raw) => bytes.extend_from_slice(raw),
                Self::Json(value) => bytes.extend_from_slice(fill(value, variables)?.to_string().as_bytes()),
                Self::Encoded(value) => {
                    let text = fill(value, variables)?.to_string();
                    bytes.extend(url::form_urlencoded::byte_serialize(text.as_bytes()).flat_map(str::bytes));
                }
            }
        }
        Ok(bytes)
    }
}

/// A frame to send.
#[derive(Debug, Clone)]
pub struct FrameSpec {
    /// Its opcode; 1 is text.
    pub opcode: u8,
    /// The last one of its message.
    pub fin: bool,
    /// The reserved bits.
    pub reserved: u8,
    /// As clients must.
    pub masked: bool,
    /// Another length than the payload's.
    pub declared: Option<u64>,
    /// The payload.
    pub payload: Vec<Part>,
}

const KINDS: [&str; 15] = [
    "open",
    "send",
    "expect_of",
    "received",
    "http",
    "stream",
    "text",
    "raw",
    "frames",
    "drop",
    "live",
    "release",
    "let",
    "elapse",
    "alive",
];

impl Step {
    /// Reads a step.
    pub(super) fn parse(value: &Json) -> Result<Self, String> {
        let members = value.as_object().ok_or_else(|| format!("a step is an object, not {value}"))?;
        let kind = members.first().map_or("", |(name, _)| name.as_str());
        if !KINDS.contains(&kind) {
            return Err(format!("no step is called {kind:?}"));
        }
        let what = format!("the step {kind:?}");
        let fields = Fields::new(&what, value)?;
        let step = match kind {
            "open" => Self::Open(open(&fields)?),
            "send" => send(&fields)?,
            "expect_of" => Self::Expect {
                name: fields.need_text("expect_of")?,
                expect: expectations(fields.list("expect")?)?,
                when: when(&fields)?,
            },
            "received" => Self::Received {
                peer: fields.need_text("received")?,
                events: patterns(fields.list("events")?)?,
                any_order: fields.flag("any_order")?,
                own: fields.flag("own")?,
            },
            "http" => Self::Http {
                request: http(fields.need("http")?)?,
                name: fields.text("as")?,
                expect: fields.get("expect").map_or(Ok(Expectation::Anything), Expectation::parse)?,
                when: when(&fields)?,
            },
            "stream" => {
                Self::Stream { name: fields.need_text("stream")?, look: Look::parse(&fields)?, when: when(&fields)? }
            }
            "text" => Self::Text {
                text: parts(fields.need("text")?)?,
                peer: fields.need_text("peer")?,
                expect: Expectation::parse(fields.need("expect")?)?,
                when: when(&fields)?,
            },
            "raw" => Self::Raw {
                bytes: parts(fields.need("raw")?)?,
                half_close: fields.flag("half_close")?,
                expect: expectations(fields.list("expect")?)?,
                when: when(&fields)?,
            },
            "frames" => Self::Frames {
                frames: fields.list("frames")?.iter().map(frame).collect::<Result<_, _>>()?,
                peer: fields.need_text("peer")?,
                expect: Expectation::parse(fields.need("expect")?)?,
                when: when(&fields)?,
            },
            "drop" => Self::Drop { peer: fields.need_text("drop")? },
            "live" => Self::Live { peer: fields.need_text("live")? },
            "release" => Self::Release { peer: fields.need_text("release")? },
            "let" => Self::Let { name: fields.need_text("let")?, value: fields.need("be")?.clone() },
            "elapse" => Self::Elapse { time: fields.need_text("elapse")? },
            _ => {
                fields.get("alive");
                Self::Alive
            }
        };
        fields.end()?;
        Ok(step)
    }

    /// Whether it can find anything wrong.
    pub(super) fn judges(&self) -> bool {
        match self {
            Self::Send { expect, .. } => !expect.is_empty(),
            Self::Http { expect, .. } => !matches!(expect, Expectation::Anything),
            Self::Expect { .. }
            | Self::Received { .. }
            | Self::Stream { .. }
            | Self::Text { .. }
            | Self::Raw { .. }
            | Self::Frames { .. }
            | Self::Alive => true,
            _ => false,
        }
    }
}

fn open(fields: &Fields<'_>) -> Result<Open, String> {
    let transport = fields.text("transport")?;
    Ok(Open {
        peers: fields.texts("open")?,
        transport: match transport {
            None => None,
            Some(name) => Some(Transport::parse(&name).ok_or_else(|| format!("no transport is called {name:?}"))?),
        },
        manual: fields.flag("manual")?,
        subscribe: fields.texts("subscribe")?,
        jar: fields.text("jar")?,
        handshake: fields.get("handshake").cloned(),
    })
}

fn send(fields: &Fields<'_>) -> Result<Step, String> {
    let messages = fields.list("messages")?.to_vec();
    let expect = expectations(fields.list("expect")?)?;
    if !expect.is_empty() && expect.len() != messages.len() {
        return Err(format!("{} expectations for {} messages", expect.len(), messages.len()));
    }
    Ok(Step::Send {
        peer: fields.need_text("send")?,
        messages,
        name: fields.text("as")?.unwrap_or_else(|| "last".into()),
        expect,
        when: when(fields)?,
    })
}

fn when(fields: &Fields<'_>) -> Result<When, String> {
    Ok(When { within: fields.text("within")?, not_before: fields.text("not_before")? })
}

fn http(value: &Json) -> Result<HttpSpec, String> {
    let fields = Fields::new("the request", value)?;
    let headers = fields.get("headers").and_then(Json::as_object).unwrap_or_default().to_vec();
    let body = match (fields.get("body"), fields.get("chunks")) {
        (Some(body), None) => vec![parts(body)?],
        (None, Some(chunks)) => chunks.as_array().unwrap_or_default().iter().map(parts).collect::<Result<_, _>>()?,
        (None, None) => Vec::new(),
        (Some(_), Some(_)) => return Err("the request has a body and chunks".into()),
    };
    let spec = HttpSpec {
        peer: fields.text("peer")?,
        method: fields.text("method")?.unwrap_or_else(|| "POST".into()),
        suffix: fields.text("suffix")?.unwrap_or_default(),
        headers,
        body,
        chunked: fields.get("chunks").is_some(),
    };
    fields.end()?;
    Ok(spec)
}

/// A string, or a list of parts.
pub(super) fn parts(value: &Json) -> Result<Vec<Part>, String> {
    match value {
        Json::Array(items) => items.iter().map(part).collect(),
        other => Ok(vec![part(other)?]),
    }
}

fn part(value: &Json) -> Result<Part, String> {
    let wrong = || {
        format!(
            "{value} is no part of a body: a string, or {{\"repeat\":[text, n]}}, {{\"hex\":…}}, {{\"json\":…}}, {{\"encoded\":…}}"
        )
    };
    match value {
        Json::String(text) => Ok(Part::Text(text.clone())),
        Json::Object(members) => match members.as_slice() {
            [(name, Json::Array(pair))] if name == "repeat" => match pair.as_slice() {
                [Json::String(text), Json::Number(n)] => {
                    Ok(Part::Repeat(text.clone(), n.parse().map_err(|_| wrong())?))
                }
                _ => Err(wrong()),
            },
            [(name, Json::String(hex))] if name == "hex" => unhex(hex).map(Part::Bytes).ok_or_else(wrong),
            [(name, value)] if name == "json" => Ok(Part::Json(value.clone())),
            [(name, value)] if name == "encoded" => Ok(Part::Encoded(value.clone())),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    digits.chunks(2).map(|pair| Some((pair.first()?.to_digit(16)? * 16 + pair.get(1)?.to_digit(16)?) as u8)).collect()
}

pub(super) fn frame(value: &Json) -> Result<FrameSpec, String> {
    let fields = Fields::new("the frame", value)?;
    let number = |name: &str, default: u8| -> Result<u8, String> {
        let found = fields.number(name)?;
        found.map_or(Ok(default), |n| u8::try_from(n).map_err(|_| format!("{name} is too large")))
    };
    let spec = FrameSpec {
        opcode: number("opcode", 1)?,
        fin: !fields.flag("more")?,
        reserved: number("reserved", 0)?,
        masked: !fields.flag("unmasked")?,
        declared: fields.number("declared")?,
        payload: fields.get("payload").map_or(Ok(Vec::new()), parts)?,
    };
    fields.end()?;
    Ok(spec)
}

fn expectations(values: &[Json]) -> Result<Vec<Expectation>, String> {
    values.iter().map(Expectation::parse).collect()
}

pub(super) fn patterns(values: &[Json]) -> Result<Vec<Json>, String> {
    values.iter().try_for_each(pattern::validate)?;
    Ok(values.to_vec())
}
