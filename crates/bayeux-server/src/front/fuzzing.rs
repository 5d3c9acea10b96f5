//! What is private here and fuzzed: see the crate `bayeux-fuzz`. Behind a feature, and no part of the API.

use std::net::{IpAddr, Ipv4Addr};

use bayeux_protocol::{DecodeError, DecodeLimits, Message};
use bytes::BytesMut;

use super::{
    chunked::{BadBody, Chunked},
    request::{BadHead, Framing, RequestHead, find_head, with_head},
};
use crate::http::{callback_polling::CallbackName, escape, form, forwarded::TrustedProxies, query::Query};

/// What a head was read as.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Without scheme, authority and query.
    pub path: String,
    /// Where the body ends, or why that can't be told.
    pub body: Result<Body, String>,
    /// How many `Cookie` headers there are.
    pub cookies: usize,
    /// All else.
    pub rest: String,
}

/// Where a body ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// After so many bytes.
    Sized(u64),
    /// Where the chunks end.
    Chunked,
}

/// A body, and what follows it.
pub type BodyAndRest = (Vec<u8>, Vec<u8>);

/// Reads pieces until a head is whole. Its bytes and what it says, or why it is none; `None` if its end has not come.
pub fn head(pieces: &[&[u8]]) -> Option<(Vec<u8>, Result<Head, String>)> {
    let (mut input, mut seen) = (BytesMut::new(), 0);
    for piece in pieces {
        input.extend_from_slice(piece);
        if let Some(length) = find_head(&mut input, &mut seen) {
            let bytes = input[..length].to_vec();
            let head = with_head(&bytes, Head::of).map_err(|bad| bad.to_string());
            return Some((bytes, head));
        }
    }
    None
}

/// Reads pieces until a body is whole. `None` if its end has not come.
///
/// # Errors
/// Why it is none, in words.
pub fn chunked(pieces: &[&[u8]], limit: usize) -> Result<Option<BodyAndRest>, String> {
    let (mut chunked, mut input, mut body) = (Chunked::new(limit), BytesMut::new(), Vec::new());
    let mut ended = false;
    for piece in pieces {
        input.extend_from_slice(piece);
        if !ended {
            ended = chunked.decode(&mut input, &mut body).map_err(|bad: BadBody| format!("{bad:?}"))?;
        }
        assert!(body.len() <= limit, "{} bytes of a body are held", body.len());
    }
    Ok(ended.then(|| (body, input.to_vec())))
}

/// Whether a body is a form.
pub fn is_form(body: &[u8]) -> bool {
    form::is_form(body)
}

/// The messages in a form.
///
/// # Errors
/// They are no batch, or over a limit.
pub fn decode_form(body: &[u8], limits: &DecodeLimits) -> Result<Vec<Message>, DecodeError> {
    form::decode_form(body, limits)
}

/// JSON as a value in a script.
pub fn script_value(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    escape::push_script_value(json, &mut out);
    out
}

/// Whether a text may name the function that a script calls.
pub fn is_callback_name(text: &str) -> bool {
    CallbackName::parse(text).is_ok()
}

/// The first value of a field in a query.
pub fn query_value(query: &str, name: &'static str) -> Option<String> {
    Query(query).value(name).map(std::borrow::Cow::into_owned)
}

impl Head {
    fn of(head: &RequestHead<'_>) -> Self {
        let words = |bad: BadHead| bad.to_string();
        let mut endpoint = head.endpoint_head("", IpAddr::V4(Ipv4Addr::LOCALHOST), false);
        let proxies = TrustedProxies::parse(["127.0.0.0/8"]).expect("it is a network");
        proxies.apply(&mut endpoint, |name| head.all(name).collect());
        let (expects, stays, old) = (head.expects_continue().map_err(words), head.keeps_alive(), head.is_old());
        Self {
            path: head.path.to_owned(),
            body: head.framing().map(Body::from).map_err(words),
            cookies: endpoint.cookies.len(),
            rest: format!("{endpoint:?} {} {expects:?} {stays} {old}", head.upgrade().is_some()),
        }
    }
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::None,
            Framing::Sized(length) => Self::Sized(length),
            Framing::Chunked => Self::Chunked,
        }
    }
}
