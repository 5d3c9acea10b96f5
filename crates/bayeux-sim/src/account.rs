//! `Account`: what a client knows of its session's deliveries and says with its connects: with `ack` the number of the last reply
//! that it read to its end, with `gap` how many deliveries it has.
//!
//! With `ack`, what comes with the reply to a connect that is not its newest is not handed on: it comes again. With `gap`, what
//! comes on another connection than the one that it named its count on is not counted: it is told to be missing.

use crate::{
    connection::{ConnectionKey, Piece},
    incoming,
    message::{Connect, Wish},
    world::World,
};

pub(crate) struct Account {
    /// What its handshakes ask for.
    pub(crate) wish: Wish,
    /// The number of the last reply that it read, with `ack`.
    acked: u64,
    /// The last connect that it sent.
    newest: Option<u64>,
    /// How many deliveries it received or was told are missing, with `gap`.
    pub(crate) count: u64,
    /// Where it counts.
    counts_on: Option<ConnectionKey>,
    /// The last number that its event source has read.
    last_event: Option<u64>,
}

impl Account {
    pub(crate) const fn new(wish: Wish) -> Self {
        Self { wish, acked: 0, newest: None, count: 0, counts_on: None, last_event: None }
    }

    /// A session begins. If it was handshaken over a socket, its deliveries come there from the start.
    pub(crate) fn begin(&mut self, socket: Option<ConnectionKey>) {
        *self = Self { counts_on: socket, ..Self::new(self.wish) };
    }

    /// The `Last-Event-ID` of an event source that opens anew by itself; `None` if something else received meanwhile.
    pub(crate) fn last_event(&self) -> Option<u64> {
        let now = if self.wish == Wish::Gap { self.count } else { self.acked };
        self.last_event.filter(|last| *last == now)
    }

    /// A receiving connect with this id was sent.
    pub(crate) const fn sends(&mut self, connect: u64) {
        self.newest = Some(connect);
    }

    /// Says with a connect that is to receive what there is to say. A count is named where it is not counted yet.
    fn says(&mut self, key: ConnectionKey, connect: Connect) -> Connect {
        match self.wish {
            Wish::Nothing => connect,
            Wish::Ack => Connect { ack: Some(self.acked), ..connect },
            Wish::Gap if self.counts_on == Some(key) => connect,
            Wish::Gap => {
                self.counts_on = Some(key);
                Connect { gap: Some(self.count), ..connect }
            }
        }
    }

    /// A connect beside a stream acknowledges, no more.
    pub(crate) const fn says_beside(&self, connect: Connect) -> Connect {
        match self.wish {
            Wish::Ack => Connect { ack: Some(self.acked), ..connect },
            Wish::Nothing | Wish::Gap => connect,
        }
    }
}

impl World<'_> {
    /// The connect with what its client has to say. The URL of an event source that opens anew says what it said at first.
    pub(crate) fn accounted(&mut self, client: usize, key: ConnectionKey, connect: Connect, resumed: bool) -> Connect {
        let said = self.clients[client].account.says(key, connect);
        if !resumed {
            return said;
        }
        self.happened.resumed += 1;
        let old = |said: Option<u64>, random: &mut crate::random::Random| {
            if said.is_some() { random.pick(&[None, Some(0), said]) } else { None }
        };
        Connect { ack: old(said.ack, &mut self.random), gap: old(said.gap, &mut self.random), ..said }
    }

    /// The client reads something of its session: what of it is handed on, and what it knows now.
    pub(crate) fn account_for(&mut self, client: usize, key: ConnectionKey, piece: &Piece) {
        let it = &self.clients[client];
        let (true, Some(session)) = (piece.session == it.session, piece.session.as_deref()) else {
            return;
        };
        match it.account.wish {
            Wish::Nothing => {}
            Wish::Ack => self.hand_on(client, session, piece),
            Wish::Gap => self.count(client, key, piece),
        }
    }

    fn hand_on(&mut self, client: usize, session: &str, piece: &Piece) {
        let account = &mut self.clients[client].account;
        let Some(reply) = incoming::replies(&piece.messages).find(|reply| Some(reply.id) == account.newest) else {
            return;
        };
        account.acked = reply.ack.unwrap_or(account.acked);
        account.last_event = piece.event_id.or(account.last_event);
        for event in piece.events() {
            self.happened.handed_on += 1;
            let verdict = self.model.hand_on(session, event);
            self.expect(verdict);
        }
    }

    fn count(&mut self, client: usize, key: ConnectionKey, piece: &Piece) {
        let account = &mut self.clients[client].account;
        if account.counts_on != Some(key) {
            return;
        }
        account.count += piece.events().len() as u64;
        for reply in incoming::replies(&piece.messages) {
            account.count += reply.missing.unwrap_or_default();
            if reply.is_superseded() && Some(reply.id) == account.newest {
                // Somebody else's connect, or an older one that came late, receives now.
                account.counts_on = None;
            }
        }
        account.last_event = piece.event_id;
        let count = account.count;
        if let Some(id) = piece.event_id.filter(|id| *id != count) {
            self.expect(Err(format!("the id of a batch is {id}, but {count} deliveries are accounted for")));
        }
    }

    /// Whether what comes here for this session is counted, if its client counts.
    pub(crate) fn counts(&self, key: ConnectionKey, session: Option<&str>) -> bool {
        let owner = self.clients.iter().find(|client| client.session.as_deref() == session);
        owner.is_none_or(|owner| owner.account.wish != Wish::Gap || owner.account.counts_on == Some(key))
    }
}
