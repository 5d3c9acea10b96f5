//! From a request's head to a WebSocket, whichever front read it: who may upgrade, and what the 101 says.

use bayeux_engine::{Carrier, Origin};

use super::accept::Upgrade;
use crate::{
    Bayeux,
    http::{Head, Response, gate::Site},
    stats::count,
};

/// An upgrade that is granted.
pub(crate) struct Upgraded {
    /// The value of `Sec-WebSocket-Accept`.
    pub(crate) accept: String,
    /// The value of `Set-Cookie`, where no genuine cookie came (BX-SEC-3).
    pub(crate) cookie: Option<String>,
    /// What the engine is to know of the socket.
    pub(crate) origin: Origin,
}

impl Bayeux {
    /// Grants an upgrade of the endpoint's own URL (BX-WS-1), or says why not.
    ///
    /// # Errors
    /// The response to give instead of a 101.
    pub(crate) fn upgrade(&self, head: &Head<'_>, asked: &Upgrade<'_>) -> Result<Upgraded, Box<Response>> {
        // The answer to a HEAD has no body, whatever it is.
        let refuse = |response: Response| Box::new(response.without_body(head.method));
        if self.site(head) == Site::Foreign {
            return Err(refuse(self.refuse_site(head.site.origin)));
        }
        let accept = asked.accept().map_err(|refusal| {
            count(&self.counters().upgrades_refused);
            let response = Response::text(refusal.status(), format!("No WebSocket: {refusal}."));
            refuse(response.with("Sec-WebSocket-Version", "13"))
        })?;
        let known = self.cookies().read(head.cookies.iter().copied());
        let may_adopt = known.is_none().then(|| self.now());
        let fresh = if known.is_none() { self.new_browser(may_adopt) } else { None };
        let browser = known.or_else(|| fresh.as_ref().map(|(browser, _)| *browser));
        let origin = self.origin(head.peer, Carrier::Socket { ticket: None, may_adopt }, browser);
        Ok(Upgraded { accept, cookie: fresh.map(|fresh| self.cookie(head, fresh)), origin })
    }
}
