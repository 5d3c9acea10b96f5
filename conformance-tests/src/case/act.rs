//! The steps of a case about a client, as they are written in case files. What the suite does as a server where no
//! step says anything stands in `stage/`.

use super::answer::Answer;
use super::fields::Fields;
use super::step::{FrameSpec, frame, patterns};
use crate::json::Json;
use crate::pattern;
use crate::verdict::Verdict;
use std::fmt::{Display, Formatter};

/// Whom a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A server; the suite plays the clients.
    Server,
    /// A client; the suite plays the server.
    Client,
}

impl Display for Role {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.pad(match self {
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

/// A step, and what it is worth if it does not go as it should.
#[derive(Debug, Clone)]
pub struct Staged {
    /// The step.
    pub act: Act,
    /// The verdict if not: `fail` unless the case says another one.
    pub otherwise: Verdict,
    /// What is said then, beside what came.
    pub label: String,
}

/// A step.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the line above a variant says what its fields are")]
pub enum Act {
    /// Waits until the client has a session, is told what to do on it, and has a connect outstanding.
    Begin { handshake: Answer },
    /// Waits for a message.
    Await(Box<Await>),
    /// Answers such messages like this from now on, so many times.
    Rule { of: Json, answer: Answer, times: Option<u64> },
    /// Delivers to the client what it is subscribed to.
    Push { events: Vec<Json> },
    /// The connect that is outstanding is answered now.
    Release { answer: Answer },
    /// Frames are sent on the WebSocket.
    Frames { frames: Vec<FrameSpec> },
    /// Nothing comes for a time but messages like these.
    Quiet { time: String, but: Vec<Json> },
    /// So many such messages come in a time.
    Rate { of: Json, during: String, at_least: u64, at_most: u64 },
    /// Connections are reset, and new ones, for a time, in which so many requests may be tried.
    Outage { time: String, at_most: u64 },
    /// All sessions are forgotten.
    Restart,
    /// The connections are ended: WebSockets with this code, and without one by a reset.
    Close { code: Option<u16> },
    /// The program is told to do something.
    Do { command: Json },
    /// What the program reported since this was last asked.
    Told { reports: Vec<Json>, within: Option<String> },
}

/// Waits for the next message of this kind.
#[derive(Debug, Clone)]
pub struct Await {
    /// Which message it is.
    pub of: Json,
    /// What it should be like.
    pub expect: Option<Json>,
    /// What the request that brought it should be like.
    pub request: Option<Json>,
    /// How it is answered; as a correct server does if nothing is said.
    pub answer: Option<Answer>,
    /// At the latest.
    pub within: Option<String>,
    /// Not before, from the end of the last answer on.
    pub not_before: Option<String>,
    /// What may not come before it.
    pub forbid: Vec<Json>,
}

const KINDS: [&str; 13] = [
    "begin", "await", "rule", "push", "release", "frames", "quiet", "rate", "outage", "restart", "close", "do", "told",
];

impl Staged {
    pub(super) fn parse(value: &Json) -> Result<Self, String> {
        let members = value.as_object().ok_or_else(|| format!("a step is an object, not {value}"))?;
        let kind = members.first().map_or("", |(name, _)| name.as_str());
        if !KINDS.contains(&kind) {
            return Err(format!("no step is called {kind:?}"));
        }
        let what = format!("the step {kind:?}");
        let fields = Fields::new(&what, value)?;
        let act = act(kind, &fields)?;
        let default = if kind == "begin" { Verdict::Blocked } else { Verdict::Fail };
        let otherwise = match fields.text("otherwise")? {
            None => default,
            Some(name) => Verdict::parse(&name).ok_or_else(|| format!("no verdict is called {name:?}"))?,
        };
        let label = fields.text("label")?.unwrap_or_default();
        fields.end()?;
        Ok(Self { act, otherwise, label })
    }

    /// Whether it can find anything wrong.
    pub(super) fn judges(&self) -> bool {
        matches!(self.act, Act::Await(_) | Act::Quiet { .. } | Act::Rate { .. } | Act::Outage { .. } | Act::Told { .. })
    }
}

fn act(kind: &str, fields: &Fields<'_>) -> Result<Act, String> {
    Ok(match kind {
        "begin" => {
            fields.flag("begin")?;
            Act::Begin { handshake: optional(fields, "handshake", Answer::parse)?.unwrap_or_default() }
        }
        "await" => Act::Await(Box::new(Await {
            of: pattern(fields.need("await")?)?,
            expect: optional(fields, "expect", pattern)?,
            request: optional(fields, "request", pattern)?,
            answer: optional(fields, "answer", Answer::parse)?,
            within: fields.text("within")?,
            not_before: fields.text("not_before")?,
            forbid: patterns(fields.list("forbid")?)?,
        })),
        "rule" => Act::Rule {
            of: pattern(fields.need("rule")?)?,
            answer: Answer::parse(fields.need("answer")?)?,
            times: fields.number("times")?,
        },
        "push" => Act::Push { events: fields.list("push")?.to_vec() },
        "release" => Act::Release { answer: Answer::parse(fields.need("release")?)? },
        "frames" => Act::Frames { frames: fields.list("frames")?.iter().map(frame).collect::<Result<_, _>>()? },
        "quiet" => Act::Quiet { time: fields.need_text("quiet")?, but: patterns(fields.list("but")?)? },
        "rate" => rate(fields.need("rate")?)?,
        "outage" => {
            Act::Outage { time: fields.need_text("outage")?, at_most: fields.number("at_most")?.unwrap_or(u64::MAX) }
        }
        "restart" => {
            fields.flag("restart")?;
            Act::Restart
        }
        "close" => Act::Close {
            code: match fields.need("close")? {
                Json::Null => None,
                _ => fields.number("close")?.and_then(|code| u16::try_from(code).ok()),
            },
        },
        "do" => Act::Do { command: fields.need("do")?.clone() },
        _ => Act::Told { reports: patterns(fields.list("told")?)?, within: fields.text("within")? },
    })
}

fn rate(value: &Json) -> Result<Act, String> {
    let fields = Fields::new("rate", value)?;
    let act = Act::Rate {
        of: pattern(fields.need("of")?)?,
        during: fields.need_text("during")?,
        at_least: fields.number("at_least")?.unwrap_or(0),
        at_most: fields.number("at_most")?.unwrap_or(u64::MAX),
    };
    fields.end()?;
    Ok(act)
}

fn optional<T>(
    fields: &Fields<'_>,
    name: &str,
    parse: impl Fn(&Json) -> Result<T, String>,
) -> Result<Option<T>, String> {
    fields.get(name).map(parse).transpose()
}

fn pattern(value: &Json) -> Result<Json, String> {
    pattern::validate(value)?;
    Ok(value.clone())
}
