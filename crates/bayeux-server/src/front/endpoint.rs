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
    /// It is answered without its body.
    Answer { response: Response, after: After },
    /// Its body came with the head, so it is served: so many bytes are used.
    Served { response: Response, after: After, body: usize },
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
        let ours = self.is_ours(head.path);
        if !ours && !self.options.endpoint_only {
            return Ok(Judged::Foreign);
        }
        let framing = head.framing()?;
        let expects_continue = head.expects_continue()?;
        let after = match (head.keeps_alive(), head.is_old()) {
            (true, false) => After::Stay,
            (true, true) => After::StayOld,
            (false, _) => After::Close,
        };
        // A body that is not read would be taken for the next request.
        let after_unread = if matches!(framing, Framing::None | Framing::Sized(0)) { after } else { After::Close };
        let endpoint_head = self.head(head, peer);
        if !ours {
            let text = format!("Nothing is here: the Bayeux endpoint is {}.", self.options.path);
            let response = Response::text(404, text).without_body(endpoint_head.method);
            return Ok(Judged::Answer { response, after: after_unread });
        }
        if let Some(asked) = head.upgrade() {
            return Ok(match self.bayeux.upgrade(&endpoint_head, &asked) {
                Ok(upgraded) => Judged::Upgrade(Box::new(upgraded)),
                Err(response) => Judged::Answer { response: *response, after: After::Close },
            });
        }
        let url = || {
            let scheme = if endpoint_head.secure { "https" } else { "http" };
            format!("{scheme}://{}{}", endpoint_head.site.host.unwrap_or_default(), head.path)
        };
        if let Some(response) = self.bayeux.preface(&endpoint_head, url) {
            return Ok(Judged::Answer { response, after: after_unread });
        }
        if let Framing::Sized(length) = framing {
            if length > self.bayeux.max_body() as u64 {
                let response = self.bayeux.too_large(&endpoint_head);
                return Ok(Judged::Answer { response, after: After::Close });
            }
            // Most bodies come with their heads: then the head is read once.
            let body = usize::try_from(length).ok().and_then(|length| rest.get(..length));
            if let Some(body) = body {
                let response = self.bayeux.serve(&endpoint_head, body);
                return Ok(Judged::Served { response, after, body: body.len() });
            }
        }
        Ok(Judged::Read { framing, after, expects_continue })
    }

    /// What the endpoint has to know of a request, with what trusted proxies say of its client.
    pub(super) fn head<'h>(&self, head: &RequestHead<'h>, peer: IpAddr) -> Head<'h> {
        let mut known = head.endpoint_head(peer, self.secure);
        self.bayeux.options().trusted_proxies.apply(&mut known, |name| head.all(name).collect());
        known
    }

    /// The endpoint's path, and every suffix of it (BX-EXT-1).
    pub(super) fn is_ours(&self, path: &str) -> bool {
        let base = self.options.path.trim_end_matches('/');
        path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}
