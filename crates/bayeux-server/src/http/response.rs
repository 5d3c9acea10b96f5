//! `Response`: status, headers and body, for whichever front writes it.

use std::borrow::Cow;

use bytes::Bytes;

use super::wire::Headers;
use crate::{http::head::Method, reply::ReplyBody};

/// What to answer. Every response may not be stored nor sniffed (BX-HRD-9).
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides length and connection.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: ReplyBody,
    /// The body is not to be sent, only its length: the answer to a HEAD.
    pub head_only: bool,
}

impl Response {
    pub(super) const fn new(status: u16, headers: Headers, body: ReplyBody) -> Self {
        Self { status, headers, body, head_only: false }
    }

    /// A sentence for people: what happened, and what to do.
    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.push('\n');
        Self::new(status, headers_of("text/plain;charset=UTF-8"), ReplyBody::now(text.into()))
    }

    pub(crate) fn page(html: String) -> Self {
        Self::new(200, headers_of("text/html;charset=UTF-8"), ReplyBody::now(html.into()))
            .with("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::new(status, common(), ReplyBody::now(Bytes::new()))
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn with_all(mut self, headers: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.headers.extend(headers.into_iter().map(|(name, value)| (name, value.into())));
        self
    }

    pub(crate) fn without_body(mut self, method: Method) -> Self {
        self.head_only = method == Method::Head;
        self
    }
}

/// The headers of Bayeux messages (BX-LP-3).
pub(super) fn messages_headers() -> Headers {
    headers_of("application/json;charset=UTF-8")
}

fn headers_of(content_type: &'static str) -> Headers {
    let mut headers = common();
    headers.push(("Content-Type", content_type.into()));
    headers
}

fn common() -> Headers {
    let mut headers = Vec::with_capacity(4);
    headers.extend([("Cache-Control", "no-store".into()), ("X-Content-Type-Options", "nosniff".into())]);
    headers
}
