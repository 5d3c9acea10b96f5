//! What should come after a step, as it is written in case files.

use super::fields::Fields;
use crate::json::Json;
use crate::pattern;
use crate::verdict::Verdict;

/// What should come.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the line above a variant says what its fields are")]
pub enum Expectation {
    /// Nothing is said about it.
    Anything,
    /// A reply, or a message, that fits.
    Reply(Json),
    /// A failure: an unsuccessful reply that fits, a status 4xx, a WebSocket closed with a code. 5xx and a bare end are not strict.
    Refused(Json),
    /// A response: status from and to, head fields, messages, text.
    Response { status: (u16, u16), headers: Vec<(String, Json)>, messages: Option<Json>, text: Option<Json> },
    /// The connection ends, over WebSocket with one of these codes if any are named.
    Closed(Vec<u16>),
    /// A pong of this payload.
    Pong(String),
    /// Nothing within the time.
    Silence,
    /// The first that fits decides.
    OneOf(Vec<Alternative>),
}

/// One of several outcomes, with its verdict.
#[derive(Debug, Clone)]
pub struct Alternative {
    /// What it is worth.
    pub verdict: Verdict,
    /// In words.
    pub label: String,
    /// What comes.
    pub expect: Expectation,
}

impl Expectation {
    pub(super) fn parse(value: &Json) -> Result<Self, String> {
        let special = value.as_object().and_then(|members| match members {
            [(name, argument)] => Some((name.as_str(), argument)),
            _ => None,
        });
        Ok(match special {
            _ if matches!(value, Json::Null) => Self::Anything,
            Some(("$refused", Json::Bool(true))) => Self::Refused(Json::Object(Vec::new())),
            Some(("$refused", reply)) => {
                pattern::validate(reply)?;
                Self::Refused(reply.clone())
            }
            Some(("$response", response)) => Self::response(response)?,
            Some(("$closed", codes)) => Self::Closed(self::codes(codes)),
            Some(("$pong", payload)) => Self::Pong(payload.as_str().unwrap_or_default().to_owned()),
            Some(("$silence", _)) => Self::Silence,
            Some(("$one_of", Json::Array(items))) => {
                Self::OneOf(items.iter().map(Alternative::parse).collect::<Result<_, _>>()?)
            }
            _ => {
                pattern::validate(value)?;
                Self::Reply(value.clone())
            }
        })
    }

    fn response(value: &Json) -> Result<Self, String> {
        let fields = Fields::new("$response", value)?;
        let status = |value: &Json| value.as_f64().map(|status| status as u16);
        let status = match fields.get("status") {
            None => (200, 299),
            Some(Json::Array(range)) => match range.as_slice() {
                [low, high] => status(low).zip(status(high)).ok_or("a status is a number")?,
                _ => return Err("a status is a number, or from and to".into()),
            },
            Some(one) => status(one).map(|one| (one, one)).ok_or("a status is a number")?,
        };
        let headers = fields.get("headers").and_then(Json::as_object).unwrap_or_default().to_vec();
        headers.iter().try_for_each(|(_, pattern)| pattern::validate(pattern))?;
        let messages = fields.get("messages").cloned();
        let text = fields.get("text").cloned();
        messages.iter().chain(&text).try_for_each(pattern::validate)?;
        fields.end()?;
        Ok(Self::Response { status, headers, messages, text })
    }
}

fn codes(value: &Json) -> Vec<u16> {
    value.as_array().unwrap_or_default().iter().filter_map(|code| code.as_f64().map(|code| code as u16)).collect()
}

impl Alternative {
    fn parse(value: &Json) -> Result<Self, String> {
        let fields = Fields::new("an alternative", value)?;
        let label = fields.text("label")?.unwrap_or_default();
        for verdict in [Verdict::Pass, Verdict::Nonstrict, Verdict::Fail, Verdict::Unimplemented] {
            if let Some(expect) = fields.get(&verdict.to_string()) {
                let expect = Expectation::parse(expect)?;
                fields.end()?;
                return Ok(Self { verdict, label, expect });
            }
        }
        Err(format!("{value} has none of pass, nonstrict, fail, unimplemented"))
    }
}
