//! Whether what came is what was expected.

use crate::case::Expectation;
use crate::json::{Json, object};
use crate::pattern::{Variables, fill, fits};
use crate::peer::{Answer, Outcome, Refusal};
use crate::verdict::{Finding, Verdict};
use crate::wire::WireError;
use std::time::Duration;

/// What came after a step.
#[derive(Debug, Clone)]
pub(super) enum Came {
    /// What became of a request of a batch.
    Outcome(Outcome),
    /// What came on a WebSocket.
    Message(Json),
    /// A pong.
    Pong,
    /// What became of an exchange over HTTP.
    Answer(Box<Result<Answer, WireError>>),
    /// Nothing in time.
    Silence(Duration),
}

/// Judges what came. A mistake in the case itself is an [`Verdict::Error`].
pub(super) fn judge(expect: &Expectation, came: &Came, variables: &mut Variables) -> Finding {
    if let Some(why) = unreachable(came) {
        return Finding::new(Verdict::Blocked, why);
    }
    match expect {
        Expectation::Anything => Finding::pass(),
        Expectation::Reply(pattern) => match message(came) {
            Some(found) => fitting(pattern, found, variables),
            None => failed("a reply", came),
        },
        Expectation::Refused(pattern) => refused(pattern, came, variables),
        Expectation::Response { status, headers, messages, text } => {
            response(*status, headers, messages.as_ref(), text.as_ref(), came, variables)
        }
        Expectation::Closed(codes) => closed(codes, came),
        Expectation::Pong(_) => match came {
            Came::Pong => Finding::pass(),
            _ => failed("a pong of the same payload", came),
        },
        Expectation::Silence => match came {
            Came::Silence(_) | Came::Outcome(Outcome::Silence(_)) => Finding::pass(),
            _ => failed("nothing", came),
        },
        Expectation::OneOf(alternatives) => {
            for alternative in alternatives {
                let found = judge(&alternative.expect, came, variables);
                match found.verdict {
                    Verdict::Error => return found,
                    Verdict::Fail => {}
                    Verdict::Nonstrict if alternative.verdict == Verdict::Pass => return found,
                    _ if alternative.verdict == Verdict::Pass => return Finding::pass(),
                    _ => {
                        return Finding::new(alternative.verdict, format!("{}: {}", alternative.label, describe(came)));
                    }
                }
            }
            let first = alternatives.first().map(|alternative| judge(&alternative.expect, came, variables).reason);
            Finding::new(Verdict::Fail, first.unwrap_or_default())
        }
    }
}

/// A server to which no connection can be made has not answered in any way.
fn unreachable(came: &Came) -> Option<String> {
    match came {
        Came::Outcome(Outcome::Unreachable(why)) => Some(why.clone()),
        Came::Answer(answer) => match &**answer {
            Err(error @ WireError::Connect(_)) => Some(error.to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn message(came: &Came) -> Option<&Json> {
    match came {
        Came::Outcome(Outcome::Reply { message, .. }) | Came::Message(message) => Some(message),
        Came::Answer(answer) => match answer.as_ref().as_ref().ok()?.messages.as_deref() {
            Ok([message]) => Some(message),
            _ => None,
        },
        _ => None,
    }
}

fn fitting(pattern: &Json, found: &Json, variables: &mut Variables) -> Finding {
    let pattern = match fill(pattern, variables) {
        Ok(pattern) => pattern,
        Err(error) => return Finding::new(Verdict::Error, error),
    };
    match fits(&pattern, Some(found), variables) {
        Ok(()) => Finding::pass(),
        Err(mismatch) => {
            Finding::new(Verdict::Fail, format!("{mismatch}; the message was {}", cut(&found.to_string())))
        }
    }
}

fn failed(wanted: &str, came: &Came) -> Finding {
    Finding::new(Verdict::Fail, format!("expected {wanted}; {}", describe(came)))
}

/// A failure that the other side can understand. A status 5xx or a connection that just ends says too little.
fn refused(pattern: &Json, came: &Came, variables: &mut Variables) -> Finding {
    let loose = || Finding::new(Verdict::Nonstrict, format!("refused in a way that says little: {}", describe(came)));
    let worth = |refusal: Option<Refusal>| match refusal {
        Some(Refusal::Clear) => Finding::pass(),
        Some(Refusal::Vague) => loose(),
        None => failed("a refusal", came),
    };
    match came {
        Came::Outcome(Outcome::Reply { message, .. }) | Came::Message(message) => refusal(pattern, message, variables),
        Came::Outcome(outcome) => worth(outcome.refusal()),
        Came::Answer(answer) => match &**answer {
            Err(WireError::Closed { .. }) => loose(),
            Err(_) => failed("a refusal", came),
            Ok(answer) if Refusal::of_status(answer.response.status).is_some() => {
                worth(Refusal::of_status(answer.response.status))
            }
            Ok(answer) => match &answer.messages {
                Ok(messages) if messages.is_empty() => loose(),
                Ok(messages) => messages
                    .iter()
                    .map(|message| refusal(pattern, message, variables))
                    .find(|finding| finding.verdict != Verdict::Pass)
                    .unwrap_or_else(Finding::pass),
                Err(_) => failed("a refusal", came),
            },
        },
        Came::Pong | Came::Silence(_) => failed("a refusal", came),
    }
}

fn refusal(pattern: &Json, message: &Json, variables: &mut Variables) -> Finding {
    match fitting(&object([("successful", false.into())]), message, variables) {
        found if found.verdict == Verdict::Pass => fitting(pattern, message, variables),
        other => other,
    }
}

fn closed(codes: &[u16], came: &Came) -> Finding {
    let wanted = || {
        if codes.is_empty() { "the end of the connection".to_owned() } else { format!("a close with one of {codes:?}") }
    };
    match came {
        Came::Outcome(Outcome::Closed { code, .. })
            if codes.is_empty() || code.is_some_and(|code| codes.contains(&code)) =>
        {
            Finding::pass()
        }
        Came::Answer(answer) if codes.is_empty() && matches!(**answer, Err(WireError::Closed { .. })) => {
            Finding::pass()
        }
        _ => failed(&wanted(), came),
    }
}

fn response(
    status: (u16, u16),
    headers: &[(String, Json)],
    messages: Option<&Json>,
    text: Option<&Json>,
    came: &Came,
    variables: &mut Variables,
) -> Finding {
    let Came::Answer(answer) = came else { return failed("a response", came) };
    let Ok(answer) = &**answer else { return failed("a response", came) };
    let found = answer.response.status;
    if !(status.0..=status.1).contains(&found) {
        return failed(&format!("a status from {} to {}", status.0, status.1), came);
    }
    for (name, pattern) in headers {
        let value = answer.response.header(name).map(Json::from);
        let pattern = match fill(pattern, variables) {
            Ok(pattern) => pattern,
            Err(error) => return Finding::new(Verdict::Error, error),
        };
        if let Err(mismatch) = fits(&pattern, value.as_ref(), variables) {
            return Finding::new(Verdict::Fail, format!("the head field {name}: {mismatch}"));
        }
    }
    if let Some(pattern) = messages {
        match &answer.messages {
            Ok(messages) => {
                let finding = fitting(pattern, &Json::Array(messages.clone()), variables);
                if finding.verdict != Verdict::Pass {
                    return finding;
                }
            }
            Err(why) => return Finding::new(Verdict::Fail, format!("{why}; {}", describe(came))),
        }
    }
    match text {
        None => Finding::pass(),
        Some(pattern) => {
            fitting(pattern, &Json::from(String::from_utf8_lossy(&answer.response.body).into_owned()), variables)
        }
    }
}

/// What came, in words.
pub(super) fn describe(came: &Came) -> String {
    cut(&match came {
        Came::Outcome(outcome) => outcome.to_string(),
        Came::Message(message) => format!("the message was {message}"),
        Came::Pong => "a pong came".to_owned(),
        Came::Silence(time) => format!("nothing came within {:.1} s", time.as_secs_f64()),
        Came::Answer(answer) => match &**answer {
            Ok(answer) => {
                format!("HTTP {}, body {:?}", answer.response.status, String::from_utf8_lossy(&answer.response.body))
            }
            Err(error) => error.to_string(),
        },
    })
}

fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(600).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
