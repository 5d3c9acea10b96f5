//! How batches look in a script and in the three kinds of streams.

use crate::cookie::random_text;
use crate::defect::Defect;
use crate::message::Message;
use crate::world::World;
use serde_json::{Map, Value};

/// A kind of stream.
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// A line for each batch.
    Lines,
    /// A page of scripts that have this nonce and post to this origin.
    Page { nonce: String, parent: Option<String> },
}

/// Messages as JSON.
pub(crate) fn json(messages: &[Message]) -> String {
    serde_json::to_string(messages).expect("maps with strings as keys can be written")
}

/// JSON as it may stand in a script: nothing ends a line, the script or begins a comment.
pub(crate) fn script_json(world: &World, json: &str) -> String {
    let mut json = json.to_owned();
    if !world.has(Defect::LineSeparatorsBare) {
        json = json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    }
    if world.has(Defect::MarkupBare) { json } else { json.replace('<', "\\u003c") }
}

impl Framing {
    /// A page for a parent, which is the server's own origin if none is named.
    pub(crate) fn page(parent: Option<String>) -> Self {
        Self::Page { nonce: random_text(16), parent }
    }

    /// The connection type of its connects.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Events => "eventsource",
            Self::Lines => "xhr-streaming",
            Self::Page { .. } => "iframe",
        }
    }

    /// The head fields of its own.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let kind = match self {
            Self::Events => "text/event-stream;charset=UTF-8",
            Self::Lines => "application/x-ndjson;charset=UTF-8",
            Self::Page { .. } => "text/html;charset=UTF-8",
        };
        let mut fields = vec![("content-type", kind.to_owned())];
        if let Self::Page { nonce, .. } = self {
            let policy = format!("default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'self'");
            fields.push(("content-security-policy", policy));
        }
        fields
    }

    /// What comes before any batch.
    pub(crate) fn open(&self, world: &World) -> String {
        match self {
            Self::Events => "retry: 1000\n\n".into(),
            Self::Lines => String::new(),
            Self::Page { nonce, parent } => {
                let target = match parent {
                    _ if world.has(Defect::PagePostsToAll) => "'*'".to_owned(),
                    Some(parent) => format!("'{parent}'"),
                    None => "location.origin".to_owned(),
                };
                let call = if world.has(Defect::PageCallsParent) {
                    "parent.bayeux(b)".to_owned()
                } else {
                    format!("parent.postMessage(b,{target})")
                };
                format!("<!DOCTYPE html><title>Bayeux</title><script nonce={nonce}>function d(b){{{call}}}</script>\n")
            }
        }
    }

    /// A batch; the number of its event, if it has one.
    pub(crate) fn batch(&self, world: &World, messages: &[Message], id: Option<u64>) -> String {
        let json = json(messages);
        match self {
            Self::Events => {
                let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
                format!("{id}data: {json}\n\n")
            }
            Self::Lines
                if world.has(Defect::LinesPretty) && messages.iter().any(|message| message.contains_key("data")) =>
            {
                format!("{}\n", serde_json::to_string_pretty(messages).unwrap_or(json))
            }
            Self::Lines => format!("{json}\n"),
            Self::Page { nonce, .. } => format!("<script nonce={nonce}>d({})</script>\n", script_json(world, &json)),
        }
    }

    /// What keeps it alive.
    pub(crate) const fn beat(&self) -> &'static str {
        match self {
            Self::Events => ":\n\n",
            Self::Lines | Self::Page { .. } => "\n",
        }
    }
}

/// The connect that a URL stands for which names a session, as Faye's clients write it.
pub(crate) fn named_connect(client_id: &str) -> Message {
    let members = [("channel", "/meta/connect"), ("connectionType", "eventsource"), ("clientId", client_id)];
    Map::from_iter(members.map(|(name, value)| (name.to_owned(), Value::from(value))))
}
