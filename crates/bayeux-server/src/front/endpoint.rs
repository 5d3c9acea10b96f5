//! `Endpoint`: what is done with a request once its head has come.

use std::net::IpAddr;

use super::{
    FrontOptions,
    output::After,
    request::{BadHead, Framing, RequestHead},
};
use crate::{
    Bayeux,
    http::{Head, Response},
    websocket::Upgraded,
};

/// The endpoint as one worker serves it.
pub(super) struct Endpoint {
    pub(super) bayeux: Bayeux,
    pub(super) options: FrontOptions,
    /// Connections are TLS.
    pub(super) secure: bool,
}

/// What a head asks for.
pub(super) enum Judged {
    /// It is not for us: the connection goes to the application.
    Foreign,
    /// It is answered without its body, or its body came with the head: so many bytes of that are used.
    Answer { response: Response, after: After, body: usize },
    /// Its body is to be read and served.
    Read { framing: Framing, after: After, expects_continue: bool },
    /// It becomes a WebSocket.
    Upgrade(Box<Upgraded>),
}

impl Endpoint {
    /// Judges a head that is whole; `rest` is what has come behind it.
    ///
    /// # Errors
    /// It is malformed; the connection is closed after that is said.
    pub(super) fn judge(&self, head: &RequestHead<'_>, rest: &[u8], peer: IpAddr) -> Result<Judged, BadHead> {
        let suffix = self.suffix(head.path);
        if suffix.is_none() && !self.options.endpoint_only {
            return Ok(Judged::Foreign);
        }
        let framing = head.framing()?;
        let expects_continue = head.expects_continue()?;
        let after = match (head.keeps_alive(), head.is_old()) {
            (true, false) => After::Stay,
            (true, true) => After::StayOld,
            (false, false) => After::Close,
            (false, true) => After::CloseOld,
        };
        // A body that is not read would be taken for the next request.
        let after_unread = if matches!(framing, Framing::None | Framing::Sized(0)) { after } else { after.closing() };
        let endpoint_head = self.head(head, suffix.unwrap_or_default(), peer);
        if suffix.is_none() {
            let text = format!("Nothing is here: the Bayeux endpoint is {}.", self.options.path);
            let response = Response::text(404, text).without_body(endpoint_head.method);
            return Ok(Judged::Answer { response, after: after_unread, body: 0 });
        }
        if let Some(asked) = head.upgrade() {
            return Ok(match self.bayeux.upgrade(&endpoint_head, &asked) {
                Ok(upgraded) => Judged::Upgrade(Box::new(upgraded)),
                Err(response) => Judged::Answer { response: *response, after: After::Close, body: 0 },
            });
        }
        let url = || {
            let scheme = if endpoint_head.secure { "https" } else { "http" };
            format!("{scheme}://{}{}", endpoint_head.site.host.unwrap_or_default(), head.path)
        };
        if let Some(response) = self.bayeux.preface(&endpoint_head, url) {
            return Ok(Judged::Answer { response, after: after_unread, body: 0 });
        }
        if let Framing::Sized(length) = framing {
            if length > self.bayeux.max_body() as u64 {
                let response = self.bayeux.too_large(&endpoint_head);
                return Ok(Judged::Answer { response, after: After::Close, body: 0 });
            }
            // Most bodies come with their heads: then the head is read once.
            let body = usize::try_from(length).ok().and_then(|length| rest.get(..length));
            if let Some(body) = body {
                let response = self.bayeux.serve(&endpoint_head, body);
                return Ok(Judged::Answer { response, after, body: body.len() });
            }
        }
        Ok(Judged::Read { framing, after, expects_continue })
    }

    /// What the endpoint has to know of a request, with what trusted proxies say of its client.
    pub(super) fn head<'h>(&self, head: &RequestHead<'h>, suffix: &'h str, peer: IpAddr) -> Head<'h> {
        let mut known = head.endpoint_head(suffix, peer, self.secure);
        self.bayeux.options().trusted_proxies.apply(&mut known, |name| head.all(name).collect());
        known
    }

    /// Whether a path is the endpoint's, which every suffix of its own is too (BX-EXT-1).
    pub(super) fn is_ours(&self, path: &str) -> bool {
        self.suffix(path).is_some()
    }

    /// What is behind the endpoint's own path and a slash; `None` if that path is not in front.
    fn suffix<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.options.path.trim_end_matches('/'))?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }
}
