//! How a message of a client is answered, as it is written in case files: members of the reply, and `$` members for
//! what is done to the response.

use super::fields::Fields;
use super::step::{Part, parts};
use crate::json::Json;

/// How a message is answered. Without anything it is what a correct server answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Members of the reply in the place of the usual ones; null takes one away.
    pub members: Vec<(String, Json)>,
    /// So much later.
    pub delay: Option<String>,
    /// Not before there is something to deliver or the timeout is over.
    pub hold: bool,
    /// Not at all.
    pub never: bool,
    /// By another response.
    pub http: Option<HttpAnswer>,
    /// Head fields beside the usual ones.
    pub headers: Vec<(String, Json)>,
    /// The connection ends within the response.
    pub cut: Option<Cut>,
    /// Deliveries before the reply, in the same response.
    pub before: Vec<Json>,
    /// Deliveries behind it.
    pub after: Vec<Json>,
    /// The reply is there twice.
    pub twice: bool,
    /// So many bytes at a time, so often.
    pub trickle: Option<(usize, String)>,
    /// In two pieces, cut within a character.
    pub split: bool,
    /// The WebSocket is closed instead of an answer.
    pub close: Option<u16>,
    /// The connection is closed after the answer.
    pub close_after: Option<u16>,
    /// The replies of the batch stand in the opposite order.
    pub reversed: bool,
    /// In chunks of ten bytes.
    pub chunked: bool,
    /// Is no array, where it is one message.
    pub single: bool,
}

/// A response in the place of the usual one.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// Its status.
    pub status: u16,
    /// Its head fields; the length of the body is added unless it is among them.
    pub headers: Vec<(String, Json)>,
    /// Its body; over WebSocket a frame.
    pub body: Vec<Part>,
}

/// Where a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the first byte.
    Before,
    /// Behind the head.
    Head,
    /// In the middle of the body.
    Body,
    /// By a reset.
    Reset,
}

impl Answer {
    pub(super) fn parse(value: &Json) -> Result<Self, String> {
        let fields = Fields::new("the answer", value)?;
        let members = value.as_object().unwrap_or_default();
        let plain = members.iter().filter(|(name, _)| !name.starts_with('$'));
        let answer = Self {
            members: plain
                .map(|(name, value)| {
                    fields.get(name);
                    (name.clone(), value.clone())
                })
                .collect(),
            delay: fields.text("$delay")?,
            hold: fields.flag("$hold")?,
            never: fields.flag("$never")?,
            http: http(&fields)?,
            headers: fields.get("$headers").and_then(Json::as_object).unwrap_or_default().to_vec(),
            cut: match fields.text("$drop")?.as_deref() {
                None => None,
                Some("before") => Some(Cut::Before),
                Some("head") => Some(Cut::Head),
                Some("body") => Some(Cut::Body),
                Some("reset") => Some(Cut::Reset),
                Some(other) => return Err(format!("a connection can't be dropped at {other:?}")),
            },
            before: fields.list("$events_before")?.to_vec(),
            after: fields.list("$events_after")?.to_vec(),
            twice: fields.flag("$twice")?,
            trickle: trickle(fields.list("$trickle")?)?,
            split: fields.flag("$split")?,
            close: code(&fields, "$close")?,
            close_after: code(&fields, "$close_after")?,
            reversed: fields.flag("$reversed")?,
            chunked: fields.flag("$chunked")?,
            single: fields.flag("$single")?,
        };
        fields.end()?;
        Ok(answer)
    }
}

fn http(fields: &Fields<'_>) -> Result<Option<HttpAnswer>, String> {
    let (status, headers, body) = match (fields.get("$http"), fields.get("$body")) {
        (None, None) => return Ok(None),
        (None, Some(body)) => (200, vec![("Content-Type".into(), "application/json".into())], parts(body)?),
        (Some(value), None) => {
            let http = Fields::new("$http", value)?;
            let status = http.number("status")?.ok_or("$http has no status")?;
            let headers = http.get("headers").and_then(Json::as_object).unwrap_or_default().to_vec();
            let body = http.get("body").map(parts).transpose()?.unwrap_or_default();
            http.end()?;
            (status as u16, headers, body)
        }
        (Some(_), Some(_)) => return Err("the answer has both $http and $body".into()),
    };
    Ok(Some(HttpAnswer { status, headers, body }))
}

/// `[1, "20ms"]`.
fn trickle(value: &[Json]) -> Result<Option<(usize, String)>, String> {
    match value {
        [] => Ok(None),
        [Json::Number(bytes), Json::String(time)] if bytes.parse::<usize>().is_ok_and(|bytes| bytes > 0) => {
            Ok(Some((bytes.parse().unwrap_or(1), time.clone())))
        }
        _ => Err("$trickle wants a number of bytes and a time".into()),
    }
}

fn code(fields: &Fields<'_>, name: &str) -> Result<Option<u16>, String> {
    let code = fields.number(name)?;
    code.map(|code| u16::try_from(code).map_err(|_| format!("{code} is no code"))).transpose()
}
