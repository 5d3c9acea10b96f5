//! `Head`: what the endpoint has to know of a request's head, whichever front read it.

use std::net::IpAddr;

use crate::http::gate::CrossSite;

/// The head of a request, borrowed from the front that parsed it.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: Method,
    /// What of the path is behind the endpoint's own and a slash; nothing, without one.
    pub suffix: &'a str,
    /// What is behind the question mark in the URL, as it stands there.
    pub query: &'a str,
    /// `Origin`, `Sec-Fetch-Site` and `Host`.
    pub site: CrossSite<'a>,
    /// All `Cookie` headers.
    pub cookies: Vec<&'a [u8]>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Accept`.
    pub accept: Option<&'a str>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<&'a str>,
    /// Whether there is a `Content-Encoding` other than `identity`.
    pub encoded: bool,
    /// The address of the client: the peer's, or what a trusted proxy says.
    pub peer: IpAddr,
    /// Whether the client speaks TLS, as far as the front or a trusted proxy knows.
    pub secure: bool,
}

/// The methods that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Messages.
    Post,
    /// Messages in the query, a stream, a WebSocket, or a look with a browser.
    Get,
    /// A look, without a body.
    Head,
    /// A preflight.
    Options,
    /// Any other.
    Other,
}
