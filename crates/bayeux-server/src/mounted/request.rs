//! What an actix request says, in this crate's own terms.

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
};

use actix_web::{
    HttpRequest,
    dev::Payload,
    http::{Method as HttpMethod, header},
};
use bytes::{Bytes, BytesMut};

use crate::{
    Bayeux,
    http::{Head, Method, gate::CrossSite},
};

/// What the endpoint has to know, with what trusted proxies say of the client.
pub(super) fn head<'r>(bayeux: &Bayeux, request: &'r HttpRequest) -> Head<'r> {
    let mut head = own_head(request);
    let all = |name| request.headers().get_all(name).map(header::HeaderValue::as_bytes).collect();
    bayeux.options().trusted_proxies.apply(&mut head, all);
    head
}

fn own_head(request: &HttpRequest) -> Head<'_> {
    let text = |name| request.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING);
    Head {
        method: match *request.method() {
            HttpMethod::POST => Method::Post,
            HttpMethod::GET => Method::Get,
            HttpMethod::HEAD => Method::Head,
            HttpMethod::OPTIONS => Method::Options,
            _ => Method::Other,
        },
        suffix: request.match_info().get(super::SUFFIX).unwrap_or_default(),
        query: request.query_string(),
        site: CrossSite {
            origin: text(header::ORIGIN).or_else(|| request.headers().get(header::ORIGIN).map(|_| "null")),
            more_origins: request.headers().get_all(header::ORIGIN).count() > 1,
            sec_fetch_site: request.headers().get("Sec-Fetch-Site").map(|value| value.to_str().unwrap_or("cross-site")),
            host: text(header::HOST),
            secure: None,
        },
        cookies: request.headers().get_all(header::COOKIE).map(header::HeaderValue::as_bytes).collect(),
        content_type: text(header::CONTENT_TYPE),
        accept: text(header::ACCEPT),
        last_event_id: text(header::HeaderName::from_static("last-event-id")),
        encoded: encodings.any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")),
        peer: request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip()),
        secure: request.app_config().secure(),
    }
}

/// Where the request went, for people to read.
pub(super) fn url(request: &HttpRequest, head: &Head<'_>) -> String {
    let scheme = if head.secure { "https" } else { "http" };
    format!("{scheme}://{}{}", head.site.host.unwrap_or_default(), request.path())
}

pub(super) fn is_upgrade(request: &HttpRequest) -> bool {
    request.headers().get(header::UPGRADE).is_some_and(|value| {
        value.to_str().is_ok_and(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case("websocket")))
    })
}

/// Why a body was not read.
pub(super) enum BodyError {
    TooLarge,
    Broken,
}

/// Reads the body; one that declares more than `limit` is not read at all.
pub(super) async fn read_body(request: &HttpRequest, payload: &mut Payload, limit: usize) -> Result<Bytes, BodyError> {
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limit as u64) {
        return Err(BodyError::TooLarge);
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = next(payload).await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        if first.len() + all.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge);
        }
        // Most bodies are one chunk, which is used as it is.
        if first.is_empty() && all.is_empty() {
            first = chunk;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

async fn next(payload: &mut Payload) -> Option<Result<Bytes, actix_web::error::PayloadError>> {
    use futures_core::Stream;
    std::future::poll_fn(|cx| Pin::new(&mut *payload).poll_next(cx)).await
}
