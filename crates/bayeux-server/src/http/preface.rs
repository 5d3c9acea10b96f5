//! What is asked of a request before its body is read: method, origin, encoding (BX-HRD-8). And the page for people.

use crate::{
    Bayeux,
    http::{
        Head, Method, Response,
        cookie::{Browser, CookieSite},
        gate::{Site, cors_headers, preflight_headers},
    },
    stats::count,
};

/// What a browser shows when somebody opens the endpoint.
const PAGE: &str = include_str!("../../assets/endpoint.html");

impl Bayeux {
    /// Judges a request by its head, and serves a GET that carries messages. What comes back is to be answered at once, before any
    /// body is read; `None` is a POST to be read, up to [`Bayeux::max_body`], and given to [`Bayeux::serve`]. `url` is shown on the
    /// page.
    pub fn preface(&self, head: &Head<'_>, url: impl FnOnce() -> String) -> Option<Response> {
        let site = self.site(head);
        if let (Method::Post | Method::Options, Site::Foreign) = (head.method, &site) {
            return Some(self.refuse_site(head.site.origin));
        }
        let response = match head.method {
            Method::Post if head.encoded => {
                count(&self.counters().bodies_unsupported);
                Response::text(415, "Send the body as it is: Content-Encoding is not accepted here.")
            }
            Method::Post => return None,
            Method::Get => self.get(head).unwrap_or_else(|| page(&url())),
            // A look, whatever the URL: nothing is opened by it.
            Method::Head => page(&url()).without_body(head.method),
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

    pub(crate) fn site(&self, head: &Head<'_>) -> Site {
        self.options().allow_origin.judge(&head.site)
    }

    /// Refuses a page of another site, which says that it is of this origin.
    pub(crate) fn refuse_site(&self, origin: Option<&str>) -> Response {
        count(&self.counters().cross_site_refused);
        if self.may_note() {
            tracing::info!(
                target: "bayeux::http",
                origin = %shown(origin.unwrap_or_default()),
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
    pub(super) fn marked(&self, head: &Head<'_>, response: Response) -> Response {
        match self.site(head) {
            Site::Listed(origin) if head.method != Method::Options => response.with_all(cors_headers(&origin)),
            _ if self.options().allow_origin.is_empty() => response,
            _ if head.method == Method::Options => response,
            _ => response.with("Vary", "Origin"),
        }
    }
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
