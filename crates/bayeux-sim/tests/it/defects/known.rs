//! What a defect has to know of the calls that went by: whose ticket is whose, and what is lent.

use bayeux_engine::{Answer, BrowserId, HEADROOM, Origin, Ticket, Time};
use bayeux_protocol::Message;
use serde_json::Value;

#[derive(Default)]
pub(crate) struct Known {
    tickets: Vec<(Ticket, String)>,
    lent: Vec<Ticket>,
    /// Held connects, and on which connection.
    held: Vec<(Time, Ticket, Origin)>,
    adopted: Vec<(String, BrowserId)>,
}

impl Known {
    /// A batch was answered.
    pub(crate) fn learn(&mut self, now: Time, origin: &Origin, batch: &[Message], answer: &Answer) {
        let asked = batch.first().and_then(|message| message.client_id.as_deref()).map(str::to_owned);
        let Some(session) = asked.or_else(|| made(answer)) else {
            return;
        };
        for ticket in answer.held.iter().chain(&answer.attached).chain(&answer.lent) {
            self.tickets.push((*ticket, session.clone()));
        }
        self.held.extend(answer.held.map(|ticket| (now, ticket, origin.clone())));
        if answer.adopted {
            self.adopted.extend(origin.browser.map(|browser| (session, browser)));
        }
    }

    pub(crate) fn session(&self, ticket: Ticket) -> Option<String> {
        self.tickets.iter().rev().find(|(known, _)| *known == ticket).map(|(_, session)| session.clone())
    }

    pub(crate) fn lend(&mut self, ticket: Ticket) {
        self.lent.push(ticket);
    }

    /// Returns whether it was lent something.
    pub(crate) fn unlend(&mut self, ticket: Ticket) -> bool {
        let before = self.lent.len();
        self.lent.retain(|lent| *lent != ticket);
        self.lent.len() < before
    }

    pub(crate) fn lent_of(&self, session: &str) -> Vec<Ticket> {
        self.lent.iter().copied().filter(|ticket| self.session(*ticket).as_deref() == Some(session)).collect()
    }

    /// A connect is not held any more.
    pub(crate) fn answered(&mut self, ticket: Ticket) {
        self.held.retain(|(_, held, _)| *held != ticket);
    }

    pub(crate) fn held(&self) -> Vec<Ticket> {
        self.held.iter().map(|(_, ticket, _)| *ticket).collect()
    }

    /// Takes a session whose connect is held since a time that `long` says is long ago.
    pub(crate) fn held_since(&mut self, long: impl Fn(Time) -> bool) -> Option<(String, Origin)> {
        let at = self.held.iter().position(|(since, ..)| long(*since))?;
        let (_, ticket, origin) = self.held.remove(at);
        Some((self.session(ticket)?, origin))
    }

    pub(crate) fn adopter(&self, session: &str) -> Option<BrowserId> {
        self.adopted.iter().find(|(adopted, _)| adopted == session).map(|(_, browser)| *browser)
    }
}

/// The session that a handshake made.
fn made(answer: &Answer) -> Option<String> {
    let messages: Value = serde_json::from_slice(&answer.frame.as_ref()?[HEADROOM..]).ok()?;
    messages[0]["clientId"].as_str().map(str::to_owned)
}
