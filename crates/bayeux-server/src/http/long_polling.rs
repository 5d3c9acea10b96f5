//! `long-polling` (BX-OP-3, BX-LP-1): a POST of messages, answered with messages; a connect alone is held, and needs no more
//! than one request beside it (BX-OP-1).

use std::time::Duration;

use bayeux_engine::{Answer, Call, Carrier};
use bayeux_protocol::{DecodeError, decode_batch};
use bytes::Bytes;

use crate::{
    Bayeux,
    http::{
        Head, Method, Response,
        cookie::{Browser, CookieSite},
        form::{decode_form, is_form},
        gate::{Site, cors_headers, preflight_headers},
    },
    reply::{ReplyBody, body},
    stats::count,
};

/// What a browser shows when somebody opens the endpoint.
const PAGE: &str = include_str!("../../assets/endpoint.html");

impl Bayeux {
    /// Judges a request by its head. What comes back is to be answered at once, before any body is read; `None` is a POST
    /// to be read, up to [`Bayeux::max_body`], and given to [`Bayeux::serve`]. `url` is shown on the page.
    pub fn preface(&self, head: &Head<'_>, url: impl FnOnce() -> String) -> Option<Response> {
        let site = self.site(head);
        if let (Method::Post | Method::Options, Site::Foreign) = (head.method, &site) {
            return Some(self.refuse_site(head));
        }
        let response = match head.method {
            Method::Post if head.encoded => {
                count(&self.counters().bodies_unsupported);
                Response::text(415, "Send the body as it is: Content-Encoding is not accepted here.")
            }
            Method::Post => return None,
            Method::Get | Method::Head => page(&url()).without_body(head.method),
            Method::Options => match &site {
                Site::Listed(origin) => Response::empty(204).with_all(preflight_headers(origin)),
                _ => Response::empty(204).with("Allow", "GET, HEAD, POST, OPTIONS"),
            },
            Method::Other => {
                count(&self.counters().methods_refused);
                Response::text(405, "This is a Bayeux endpoint: POST messages to it, or open a WebSocket.")
                    .with("Allow", "GET, HEAD, POST, OPTIONS")
            }
        };
        Some(self.marked(head, response))
    }

    /// Serves a batch that was posted: 200, whatever becomes of its messages (BX-LP-6). `preface` has let it pass.
    pub fn serve(&self, head: &Head<'_>, body: &[u8]) -> Response {
        let limits = &self.options().limits;
        let decoded = if is_form(body) { decode_form(body, limits) } else { decode_batch(body, limits) };
        let batch = match decoded {
            Ok(batch) => batch,
            Err(error) => return self.marked(head, self.malformed(head, body, &error)),
        };
        let known = self.cookies().read(head.cookies.iter().copied());
        let fresh = if known.is_none() { self.new_browser(None) } else { None };
        let browser = known.or_else(|| fresh.as_ref().map(|(browser, _)| *browser));
        let origin = self.origin(head.peer, Carrier::Http, browser);
        let answer = self.engine().handle(self.now(), Call { origin, batch });
        count(&self.counters().requests);
        let cookie = fresh.filter(|_| answer.handshaken).map(|fresh| self.cookie(head, fresh));
        let mut response = Response::messages(self.body(answer));
        if let Some(cookie) = cookie {
            response = response.with("Set-Cookie", cookie);
        }
        self.marked(head, response)
    }

    /// The largest body in bytes that is read.
    pub fn max_body(&self) -> usize {
        self.options().limits.max_bytes
    }

    /// The answer to a body over [`Bayeux::max_body`], which is not read.
    pub fn too_large(&self, head: &Head<'_>) -> Response {
        count(&self.counters().bodies_too_large);
        let text = format!("The body is larger than {} bytes: send the messages in smaller batches.", self.max_body());
        self.marked(head, Response::text(413, text).with("Connection", "close"))
    }

    pub(crate) fn site(&self, head: &Head<'_>) -> Site {
        self.options().allow_origin.judge(&head.site)
    }

    pub(crate) fn refuse_site(&self, head: &Head<'_>) -> Response {
        count(&self.counters().cross_site_refused);
        if self.may_note() {
            tracing::info!(
                target: "bayeux::http",
                origin = %shown(head.site.origin.unwrap_or_default()),
                refused = self.stats().cross_site_refused,
                "refused a foreign origin; if it is yours, add it to allow_origin (--allow-origin)"
            );
        }
        Response::text(403, "This origin may not use this server. Its operator can allow it (allow_origin).")
    }

    /// The Set-Cookie header for a browser newly named.
    pub(crate) fn cookie(&self, head: &Head<'_>, (_, value): (Browser, String)) -> String {
        let site = match (self.site(head), head.secure) {
            (Site::Listed(origin), _) if origin.starts_with("https://") => CookieSite::CrossSiteTls,
            (_, true) => CookieSite::SameSiteTls,
            _ => CookieSite::SameSite,
        };
        self.cookies().set_cookie(&value, site)
    }

    /// Adds what a listed origin needs to read the response.
    fn marked(&self, head: &Head<'_>, response: Response) -> Response {
        match self.site(head) {
            Site::Listed(origin) if head.method != Method::Options => response.with_all(cors_headers(&origin)),
            _ if self.options().allow_origin.is_empty() => response,
            _ if head.method == Method::Options => response,
            _ => response.with("Vary", "Origin"),
        }
    }

    fn body(&self, answer: Answer) -> ReplyBody {
        let Answer { frame, held, lent, not_before, published, .. } = answer;
        let lends = !lent.is_empty();
        let reply = match held {
            Some(ticket) => ReplyBody::held(self, ticket),
            None => ReplyBody::lent(self, frame.map_or_else(|| Bytes::from_static(b"[]"), body), lent),
        };
        let reply = match not_before {
            Some(time) if time.since(self.now()) > Duration::ZERO => reply.not_before(self, time),
            _ => reply,
        };
        // A reply that carries events is not held back: their time to be taken over runs already.
        if published.is_empty() || lends { reply } else { reply.after(self, published) }
    }

    /// A body that is no batch is refused whole, without effect (BX-HRD-1, BX-HRD-2).
    fn malformed(&self, head: &Head<'_>, body: &[u8], error: &DecodeError) -> Response {
        if let DecodeError::TooLarge { .. } = error {
            return self.too_large(head);
        }
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        let json = matches!(first, Some(b'[' | b'{'));
        if !json && !is_form(body) && !accepted(head.content_type) {
            count(&self.counters().bodies_unsupported);
            return Response::text(415, "Send Bayeux messages as a JSON array, with Content-Type: application/json.");
        }
        count(&self.counters().bodies_malformed);
        tracing::debug!(target: "bayeux::http", peer = %head.peer, %error, "refused a malformed body");
        Response::text(400, format!("The body is no Bayeux batch: {error}."))
    }
}

/// JSON types, forms, no type, and `text/plain`, which needs no preflight and is what Faye's clients fall back to (BX-LP-7).
fn accepted(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else {
        return true;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(
        essence.as_str(),
        "application/json" | "application/x-www-form-urlencoded" | "text/json" | "text/plain" | ""
    ) || essence.ends_with("+json")
}

/// The page for people. The URL is the browser's text: it stays text (BX-HRD-11).
fn page(url: &str) -> Response {
    let url = url
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    Response::page(PAGE.replace("{{version}}", env!("CARGO_PKG_VERSION")).replace("{{url}}", &url))
}

/// A peer's text for a log: escaped and cut.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}
