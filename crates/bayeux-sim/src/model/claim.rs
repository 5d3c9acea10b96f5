//! Who may use a session: the rules of the browser cookie and of adoption, written down a second time.

use std::{collections::BTreeSet, net::IpAddr};

use bayeux_engine::{BrowserId, Carrier, Config, ConnectionId, Origin, Time};

/// Whose connections may use a session.
pub(crate) struct Binding {
    browsers: Vec<BrowserId>,
    home: Option<ConnectionId>,
    peer: IpAddr,
    born: Time,
    adoptable: bool,
    /// Browsers that may have adopted it.
    perhaps: Vec<BrowserId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Owner,
    Foreign,
    /// Its browser may have used its adoption for a session that the engine had ended before the model could know.
    Unsure,
}

impl Binding {
    /// Of a session that was handshaken on this connection.
    pub(super) fn new(origin: &Origin, now: Time) -> Self {
        let is_socket = origin.carrier != Carrier::Http;
        Self {
            browsers: origin.browser.into_iter().collect(),
            home: is_socket.then_some(origin.connection),
            peer: origin.peer,
            born: now,
            adoptable: !is_socket,
            perhaps: Vec::new(),
        }
    }

    /// It has gone to another node, where no connection is known.
    pub(super) const fn leave_home(&mut self) {
        self.home = None;
    }

    /// What a connection may do with it; the one adoption that a session, a socket and a browser have is used up.
    pub(super) fn claim(
        &mut self,
        now: Time,
        node: usize,
        origin: &mut Origin,
        config: &Config,
        used: &mut BTreeSet<(usize, [u8; 16])>,
    ) -> Claim {
        let same_browser = origin.browser.is_some_and(|browser| self.browsers.contains(&browser));
        let same_socket = origin.carrier != Carrier::Http && self.home == Some(origin.connection);
        if config.trust_client_session || same_browser || same_socket {
            return Claim::Owner;
        }
        if let Some(browser) = origin.browser.filter(|browser| self.perhaps.contains(browser)) {
            // It may do so now: the session may have come here since.
            used.insert((node, browser.0));
            return Claim::Unsure;
        }
        let upgraded = match origin.carrier {
            Carrier::Socket { may_adopt, .. } => may_adopt,
            _ => origin.browser_upgraded,
        };
        let late = config.adopt_window + config.timeout;
        let in_time = upgraded.is_some_and(|at| at.distance(self.born) <= config.adopt_window && now.since(at) <= late);
        if !(in_time && self.adoptable && self.peer == origin.peer && !config.adopt_window.is_zero()) {
            return Claim::Foreign;
        }
        let unused = origin.browser.is_some_and(|browser| used.insert((node, browser.0)));
        if !unused || !self.perhaps.is_empty() {
            self.perhaps.extend(origin.browser);
            return Claim::Unsure;
        }
        self.adoptable = false;
        self.browsers.extend(origin.browser);
        if let Carrier::Socket { may_adopt, .. } = &mut origin.carrier {
            *may_adopt = None;
            self.home = Some(origin.connection);
        }
        Claim::Owner
    }
}
