//! `Link`: a request with its response, or a WebSocket, between a client and the server; and what the server's front does at its end.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use bayeux_client::{
    NetworkFault,
    core::{Action, ConnectionId, Input},
};
use bayeux_engine::{Call, Carrier, HEADROOM, Origin, Take, Ticket, Time};
use bayeux_protocol::{ConnectionType, DecodeLimits, decode_batch, encode_batch};

use super::{Bell, Event, World};
use crate::server::Server;

/// The client, and its name for it.
pub(super) type LinkKey = (usize, ConnectionId);

pub(super) struct Link {
    is_socket: bool,
    streams: bool,
    origin: Origin,
    ticket: Option<Ticket>,
    waker: Waker,
    /// The client waits for what comes.
    is_wanted: bool,
    server_open: bool,
    is_cut: bool,
    /// Events were lent to what was last written.
    lent: bool,
    last_up: Time,
    last_down: Time,
}

/// What a client sends.
#[derive(Debug)]
pub(super) enum Up {
    Batch(Vec<u8>),
    /// It has closed, or given up.
    Gone,
}

/// What comes to a client.
#[derive(Debug)]
pub(super) enum Down {
    Opened,
    Batch(Vec<u8>),
    Beat,
    Ended,
    Lost(NetworkFault),
}

impl Link {
    /// Its server is gone, with all that it knew.
    pub(super) const fn forget_server(&mut self) {
        self.ticket = None;
        self.server_open = false;
    }
}

fn reset() -> Down {
    Down::Lost(NetworkFault::Connection("reset".into()))
}

/// The client's end.
impl World {
    pub(super) fn send(&mut self, client: usize, action: Action) {
        match action {
            Action::Post { connection, batch, .. } => {
                self.open((client, connection), Carrier::Http, false);
                self.upload((client, connection), Up::Batch(encode_batch(&batch)));
            }
            Action::Stream { connection, kind, batch, .. } => {
                let carrier = match kind {
                    ConnectionType::EventSource => Carrier::Stream { last_event: None },
                    _ => Carrier::Http,
                };
                self.open((client, connection), carrier, false);
                self.upload((client, connection), Up::Batch(encode_batch(&batch)));
            }
            Action::OpenSocket { connection, .. } => {
                self.open((client, connection), Carrier::Socket { ticket: None, may_adopt: None }, true);
                if !self.is_down {
                    self.download((client, connection), Down::Opened);
                }
            }
            Action::Send { connection, batch } => {
                self.upload((client, connection), Up::Batch(encode_batch(&batch)));
            }
            _ => {}
        }
    }

    fn open(&mut self, key: LinkKey, carrier: Carrier, is_socket: bool) {
        self.last_link += 1;
        let verdict = self.clients[key.0].promise.opens(self.now);
        if let Err(what) = verdict {
            self.wrong(format!("client {}: {what}", key.0));
        }
        let origin = Origin {
            connection: bayeux_engine::ConnectionId(self.last_link),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            carrier,
            browser: Some(self.clients[key.0].browser),
            browser_upgraded: None,
            shard: Some(self.random.below(2)),
        };
        let link = Link {
            is_socket,
            streams: false,
            origin,
            ticket: None,
            waker: Waker::from(Arc::new(Bell { link: key, bells: self.bells.clone() })),
            is_wanted: true,
            server_open: true,
            is_cut: self.is_down,
            lent: false,
            last_up: self.now,
            last_down: self.now,
        };
        self.links.insert(key, link);
        if self.is_down && self.random.percent(80) {
            // Refused at once; or nothing is heard of it.
            self.after(5, Event::Down(key, reset()));
        }
    }

    fn upload(&mut self, key: LinkKey, up: Up) {
        let latency = Duration::from_millis(self.random.between(1, 60));
        let Some(link) = self.links.get_mut(&key) else { return };
        // One later, so that ties keep their order.
        link.last_up = (self.now + latency).max(link.last_up + Duration::from_millis(1));
        if !link.is_cut {
            let arrives = link.last_up;
            self.at(arrives, Event::Up(key, up));
        }
    }

    pub(super) fn abandon(&mut self, client: usize, connection: ConnectionId) {
        let key = (client, connection);
        if let Some(link) = self.links.get_mut(&key) {
            link.is_wanted = false;
            self.upload(key, Up::Gone);
        }
    }

    pub(super) fn down(&mut self, key: LinkKey, down: Down) {
        let Some(link) = self.links.get(&key) else { return };
        let is_dead = link.is_cut && !matches!(down, Down::Lost(_));
        if !link.is_wanted || is_dead {
            return;
        }
        let is_whole = !link.is_socket && !link.streams;
        let (client, connection) = key;
        let input = match down {
            Down::Opened => Input::Opened(connection),
            Down::Batch(text) => {
                match decode_batch(&text, &DecodeLimits { max_bytes: usize::MAX, ..DecodeLimits::default() }) {
                    Ok(messages) => Input::Received(connection, messages),
                    Err(error) => return self.wrong(format!("a frame is no batch: {error}")),
                }
            }
            Down::Beat => Input::Heard(connection),
            Down::Ended => Input::Ended(connection),
            Down::Lost(fault) => Input::Lost(connection, fault),
        };
        let is_over = is_whole || matches!(input, Input::Ended(_) | Input::Lost(..));
        if is_over {
            self.server_drops(key);
            self.links.remove(&key);
        }
        self.input(client, input);
    }

    /// Nothing gets through any more. The client learns it now, or not at all.
    pub(super) fn cut(&mut self, key: LinkKey) {
        let is_told = self.random.percent(70);
        let Some(link) = self.links.get_mut(&key).filter(|link| !link.is_cut) else { return };
        link.is_cut = true;
        self.paired.cuts += 1;
        self.clients[key.0].promise.cut();
        if is_told {
            self.after(1, Event::Down(key, reset()));
        }
        let pause = self.random.between(1, 6000);
        self.after(pause, Event::Up(key, Up::Gone));
    }
}

/// The server's end.
impl World {
    pub(super) fn up(&mut self, key: LinkKey, up: Up) {
        let Some(link) = self.links.get(&key).filter(|link| link.server_open) else { return };
        match up {
            Up::Batch(text) if !link.is_cut => self.serve(key, &text),
            Up::Batch(_) => {}
            Up::Gone => {
                self.server_drops(key);
                if self.links.get(&key).is_some_and(|link| !link.is_wanted) {
                    self.links.remove(&key);
                }
            }
        }
    }

    fn serve(&mut self, key: LinkKey, text: &[u8]) {
        let Some(link) = self.links.get(&key) else { return };
        let batch = match decode_batch(text, &DecodeLimits::default()) {
            Ok(batch) => batch,
            Err(error) => return self.wrong(format!("a client sent no batch: {error}")),
        };
        let answer = self.server.handle(self.now, Call { origin: link.origin.clone(), batch });
        let Some(link) = self.links.get_mut(&key) else { return };
        if let Some(ticket) = answer.stream.or(answer.held) {
            (link.ticket, link.streams) = (Some(ticket), answer.stream.is_some());
            return self.poll(key);
        }
        if let (Some(attached), Carrier::Socket { ticket, .. }) = (answer.attached, &mut link.origin.carrier)
            && let Some(earlier) = ticket.replace(attached)
        {
            self.server.cancel(self.now, earlier);
        }
        if let Some(frame) = answer.frame {
            let frame = frame[HEADROOM..].to_vec();
            match answer.not_before.filter(|time| *time > self.now) {
                Some(time) => self.at(time, Event::Write(key, frame, answer.lent)),
                None => self.write(key, &frame, &answer.lent),
            }
        }
        if self.links.get(&key).is_some_and(|link| link.is_socket) {
            self.poll(key);
        }
    }

    /// The kernel takes it at once, though it may never arrive.
    pub(super) fn write(&mut self, key: LinkKey, frame: &[u8], lent: &[Ticket]) {
        let is_open = self.links.get(&key).is_some_and(|link| link.server_open);
        for ticket in lent {
            if is_open {
                self.server.confirm(self.now, *ticket);
            } else {
                self.server.cancel(self.now, *ticket);
            }
        }
        if is_open {
            self.download(key, Down::Batch(frame.to_vec()));
        }
    }

    fn download(&mut self, key: LinkKey, down: Down) {
        let latency = Duration::from_millis(self.random.between(1, 60));
        let Some(link) = self.links.get_mut(&key) else { return };
        link.last_down = (self.now + latency).max(link.last_down + Duration::from_millis(1));
        let arrives = link.last_down;
        self.at(arrives, Event::Down(key, down));
    }

    /// What the session has to say, as long as there is something.
    pub(super) fn poll(&mut self, key: LinkKey) {
        loop {
            let Some(link) = self.links.get_mut(&key).filter(|link| link.server_open) else { return };
            let ticket = match link.origin.carrier {
                Carrier::Socket { ticket, .. } => ticket,
                _ => link.ticket,
            };
            let Some(ticket) = ticket else { return };
            let written = std::mem::take(&mut link.lent);
            let (goes_on, streams) = (link.is_socket || link.streams, link.streams);
            match self.server.take(self.now, ticket, written, &link.waker) {
                Take::Pending => return,
                Take::Beat => self.download(key, Down::Beat),
                Take::Frame { frame, lent, last, .. } => {
                    link.lent = lent && goes_on && !last;
                    if last {
                        Self::detach(link);
                    }
                    if lent && (last || !goes_on) {
                        self.server.confirm(self.now, ticket);
                    }
                    self.download(key, Down::Batch(frame[HEADROOM..].to_vec()));
                    if last && streams {
                        self.download(key, Down::Ended);
                    }
                }
                Take::Released if goes_on && !streams => return Self::detach(link),
                Take::Released if streams => {
                    Self::detach(link);
                    return self.download(key, Down::Ended);
                }
                Take::Released | Take::Close(_) => {
                    Self::detach(link);
                    return self.download(key, Down::Lost(NetworkFault::SocketClosed(None)));
                }
            }
        }
    }

    const fn detach(link: &mut Link) {
        link.ticket = None;
        if let Carrier::Socket { ticket, .. } = &mut link.origin.carrier {
            *ticket = None;
        }
    }

    fn server_drops(&mut self, key: LinkKey) {
        let Some(link) = self.links.get_mut(&key) else { return };
        if !std::mem::replace(&mut link.server_open, false) {
            return;
        }
        let socket = match link.origin.carrier {
            Carrier::Socket { ticket, .. } => ticket,
            _ => None,
        };
        let tickets = [socket, link.ticket];
        Self::detach(link);
        tickets.into_iter().flatten().for_each(|ticket| self.server.cancel(self.now, ticket));
    }
}
