//! `Response`: status, headers and body, for whichever front writes it.

use std::borrow::Cow;

use bytes::Bytes;

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
    /// Bayeux messages (BX-LP-3).
    pub(crate) fn messages(body: ReplyBody) -> Self {
        Self::new(200, "application/json;charset=UTF-8", body)
    }

    /// A sentence for people: what happened, and what to do.
    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.push('\n');
        Self::new(status, "text/plain;charset=UTF-8", ReplyBody::now(text.into()))
    }

    pub(crate) fn page(html: String) -> Self {
        Self::new(200, "text/html;charset=UTF-8", ReplyBody::now(html.into()))
            .with("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
    }

    pub(crate) fn empty(status: u16) -> Self {
        let body = ReplyBody::now(Bytes::new());
        Self { status, headers: common(), body, head_only: false }
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

    fn new(status: u16, content_type: &'static str, body: ReplyBody) -> Self {
        Self { status, headers: common(), body, head_only: false }.with("Content-Type", content_type)
    }
}

fn common() -> Vec<(&'static str, Cow<'static, str>)> {
    let mut headers = Vec::with_capacity(4);
    headers.extend([("Cache-Control", "no-store".into()), ("X-Content-Type-Options", "nosniff".into())]);
    headers
}
