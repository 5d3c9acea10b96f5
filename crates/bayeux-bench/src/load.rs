//! One publisher and its subscribers on one measured process: publishes, waits, and counts what comes.

use std::{
    io,
    time::{Duration, Instant},
};

use memchr::memmem;
use mio::{Events, Poll, Token};
use serde::Serialize;

use crate::{
    PATIENCE,
    args::Plan,
    connection::{Connection, READ_BYTES, said},
    latency::Latencies,
    message::{self, Template},
    session::Session,
    tally::{Arrival, Tally},
};

const PUBLISHER: Token = Token(usize::MAX - 1);
/// Rounds before a stretch that are not measured.
const WARM_UP: usize = 20;

/// Between two looks at whether everything has come, for a load that gives way.
const SETTLING: Duration = Duration::from_millis(10);

/// How publishes follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pace {
    /// So many in one write; the next when every subscriber has got these.
    InFlight(usize),
    /// So many a second, whatever comes back.
    PerSecond(u32),
}

/// What one stretch showed.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) deliveries: u64,
    pub(crate) bytes: u64,
    pub(crate) wall: Duration,
    /// From the write of the publish, or from when it was due, to the read of the delivery.
    pub(crate) latencies: Latencies,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) late: u64,
}

pub(crate) struct Load {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    subscribers: Vec<Subscriber>,
    /// Subscribers of each room.
    members: usize,
    publisher: Connection,
    template: Template,
    /// When each message was sent, room by room.
    rooms: Vec<Vec<Instant>>,
    turn: usize,
    /// Deliveries that are still to come.
    outstanding: u64,
    /// Without any delivery for so long, what is outstanding is lost.
    patience: Duration,
    /// Whether another thread of this program is to have the processor when there is nothing to do.
    gives_way: bool,
}

struct Subscriber {
    connection: Connection,
    room: usize,
    tally: Tally,
}

impl Load {
    /// Makes the sessions of `plan` by `subscriber`, which is given the room.
    pub(crate) fn new(
        plan: &Plan,
        template: Template,
        publisher: Session,
        subscriber: impl Fn(usize) -> io::Result<Session>,
    ) -> io::Result<Self> {
        let (poll, rooms) = (Poll::new()?, plan.rooms);
        let mut subscribers = Vec::with_capacity(plan.subscribers());
        for n in 0..plan.subscribers() {
            let room = n % rooms;
            let connection = Connection::new(subscriber(room)?, &poll, Token(n))?;
            subscribers.push(Subscriber { connection, room, tally: Tally::default() });
        }
        Ok(Self {
            publisher: Connection::new(publisher, &poll, PUBLISHER)?,
            poll,
            events: Events::with_capacity(1024),
            scratch: vec![0; READ_BYTES],
            subscribers,
            members: plan.members,
            template,
            rooms: vec![Vec::new(); rooms],
            turn: 0,
            outstanding: 0,
            patience: PATIENCE,
            gives_way: false,
        })
    }

    /// From now on this waits in the kernel where it has nothing to do. To the millisecond, which is what epoll knows; what is
    /// left until a publish is due is spun away.
    pub(crate) fn give_way(&mut self) {
        self.gives_way = true;
    }

    /// Publishes without measuring, so that both sides have their buffers and have learnt their branches.
    pub(crate) fn warm_up(&mut self, pace: Pace) -> io::Result<()> {
        let in_flight = if let Pace::InFlight(count) = pace { count } else { 1 };
        for _ in 0..WARM_UP.max(self.rooms.len()) {
            self.round(in_flight, &mut Stretch::default())?;
            if self.outstanding > 0 {
                let missing = self.outstanding;
                return Err(io::Error::other(format!("{missing} deliveries were missing before measuring began")));
            }
        }
        Ok(())
    }

    /// Publishes for a while, and waits until everything has come, or for as long as patience lasts.
    pub(crate) fn stretch(&mut self, pace: Pace, length: Duration) -> io::Result<Stretch> {
        let mut stretch = Stretch::default();
        let begin = Instant::now();
        match pace {
            Pace::InFlight(count) => {
                while begin.elapsed() < length && self.outstanding == 0 {
                    self.round(count, &mut stretch)?;
                }
            }
            Pace::PerSecond(rate) => self.paced(rate, length, &mut stretch)?,
        }
        stretch.wall = begin.elapsed();
        stretch.lost = self
            .subscribers
            .iter()
            .map(|subscriber| subscriber.tally.missing(self.rooms[subscriber.room].len() as u64))
            .sum();
        Ok(stretch)
    }

    fn round(&mut self, in_flight: usize, stretch: &mut Stretch) -> io::Result<()> {
        let now = Instant::now();
        self.publish(std::iter::repeat_n(now, in_flight))?;
        self.settle(stretch)
    }

    fn paced(&mut self, rate: u32, length: Duration, stretch: &mut Stretch) -> io::Result<()> {
        let (begin, mut sent) = (Instant::now(), 0);
        while begin.elapsed() < length {
            // The first is due at once.
            let due = (begin.elapsed().as_secs_f64() * f64::from(rate)) as u64 + 1;
            let when = |n: u64| begin + Duration::from_secs_f64(n as f64 / f64::from(rate));
            self.publish((sent..due).map(when))?;
            sent = due;
            self.pump(when(sent).saturating_duration_since(Instant::now()), stretch)?;
        }
        self.settle(stretch)
    }

    /// Publishes one message for each instant, in one write, to one room after the other.
    fn publish(&mut self, when: impl Iterator<Item = Instant>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for instant in when {
            let room = self.turn % self.rooms.len();
            self.turn += 1;
            self.template.frame(room, self.rooms[room].len() as u64, &mut bytes);
            self.rooms[room].push(instant);
            self.outstanding += self.members as u64;
        }
        self.publisher.send(&bytes)
    }

    fn settle(&mut self, stretch: &mut Stretch) -> io::Result<()> {
        let mut quiet_since = Instant::now();
        while self.outstanding > 0 && quiet_since.elapsed() < self.patience {
            let before = self.outstanding;
            self.pump(SETTLING, stretch)?;
            if self.outstanding != before {
                quiet_since = Instant::now();
            }
        }
        Ok(())
    }

    /// Takes what has come. The load never sleeps, unless it gives way: else each write would pay for waking it, which in life another machine
    /// pays for, and the slower of floor and server would pay more often.
    fn pump(&mut self, spare: Duration, stretch: &mut Stretch) -> io::Result<()> {
        let spare = if self.gives_way { spare.as_millis() as u64 } else { 0 };
        let Self { poll, events, scratch, subscribers, publisher, rooms, outstanding, .. } = self;
        poll.poll(events, Some(Duration::from_millis(spare)))?;
        for event in &*events {
            match subscribers.get_mut(event.token().0) {
                Some(subscriber) => {
                    subscriber.connection.flush()?;
                    *outstanding -= subscriber.receive(scratch, rooms, stretch)?;
                }
                None => {
                    publisher.flush()?;
                    publisher.receive(scratch, check_replies)?;
                }
            }
        }
        Ok(())
    }
}

impl Subscriber {
    /// Reads what there is. Returns how many deliveries came that had not come before.
    fn receive(&mut self, scratch: &mut [u8], rooms: &[Vec<Instant>], stretch: &mut Stretch) -> io::Result<u64> {
        let Self { connection, room, tally } = self;
        let (sent, now, mut new) = (&rooms[*room], Instant::now(), 0);
        stretch.bytes += connection.receive(scratch, |body| {
            for found in message::numbers(body) {
                let Some((_, number)) = found.filter(|(of, number)| of == room && *number < sent.len() as u64) else {
                    return Err(said("a delivery that was never published in this room", body));
                };
                match tally.note(number) {
                    Arrival::New => {}
                    Arrival::Late => stretch.late += 1,
                    Arrival::Duplicate => {
                        stretch.duplicated += 1;
                        continue;
                    }
                }
                new += 1;
                stretch.latencies.add(now.saturating_duration_since(sent[number as usize]));
            }
            Ok(())
        })?;
        stretch.deliveries += new;
        Ok(new)
    }
}

/// A refused publish would only show as a long wait.
fn check_replies(body: &[u8]) -> io::Result<()> {
    match memmem::find(body, b"\"successful\":false") {
        Some(_) => Err(said("a publish was refused", body)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::{
        answers,
        answers::Answers,
        args::{Transport, Url},
        floor,
    };

    const POLL: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]";

    /// A load on a floor of its own; subscriber `deaf` joins a room that nothing is published to.
    fn load(transport: Transport, pace: Pace, deaf: Option<usize>) -> Load {
        let plan = Plan { transport, ack: false, rooms: 3, members: 4, pace, payload: 100, pairs: 1, seconds: 1.0 };
        let listener = mio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let answers = Answers {
            publish: format!(r#"{{"channel":"{}","successful":true}}"#, answers::CHANNEL),
            head: "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
            connect: r#"{"channel":"/meta/connect","successful":true}"#.to_owned(),
        };
        std::thread::spawn(move || floor::serve(listener, answers));
        let at = |path: String| Url { address: address.clone(), path };
        let publisher = Session::upgraded(&at("/pub-coalescing".to_owned())).expect("a publisher");
        let number = std::cell::Cell::new(0);
        let load = Load::new(&plan, Template::new(100, None), publisher, |room| {
            let room = if deaf == Some(number.replace(number.get() + 1)) { plan.rooms } else { room };
            match transport {
                Transport::Websocket => Session::upgraded(&at(format!("/sub/{room}"))),
                _ => Session::floor_poll(&at(format!("/poll/{room}")), POLL),
            }
        });
        load.expect("subscribers")
    }

    #[test]
    fn everything_comes_once_and_is_counted_at_either_pace_over_either_transport() {
        for transport in [Transport::Websocket, Transport::LongPolling] {
            for pace in [Pace::InFlight(1), Pace::InFlight(7), Pace::PerSecond(2000)] {
                let mut load = load(transport, pace, None);
                load.warm_up(pace).expect("a warm-up");
                let before = load.turn as u64;
                let stretch = load.stretch(pace, Duration::from_millis(50)).expect("a stretch");
                let published = load.turn as u64 - before;
                assert!(published > 0);
                assert_eq!(stretch.deliveries, published * 4, "{transport} {pace:?}");
                assert_eq!((stretch.lost, stretch.duplicated, stretch.late), (0, 0, 0));
                assert!(stretch.bytes > stretch.deliveries * 100);
            }
        }
    }

    #[test]
    fn what_one_subscriber_never_got_is_lost() {
        let pace = Pace::PerSecond(1000);
        let mut load = load(Transport::Websocket, pace, Some(4));
        load.patience = Duration::from_millis(100);
        let stretch = load.stretch(pace, Duration::from_millis(50)).expect("a stretch");
        let published = load.turn as u64;
        // Subscriber 4 belongs to room 1.
        assert_eq!(stretch.lost, load.rooms[1].len() as u64);
        assert!(stretch.lost > 0);
        assert_eq!(stretch.deliveries, published * 4 - stretch.lost);
        assert!(load.warm_up(pace).is_err());
    }

    #[test]
    fn a_paced_load_sends_what_is_due_and_no_more() {
        let pace = Pace::PerSecond(500);
        let mut load = load(Transport::Websocket, pace, None);
        let stretch = load.stretch(pace, Duration::from_millis(200)).expect("a stretch");
        let published = load.turn;
        assert!((2..=101).contains(&published), "{published} in {:?}", stretch.wall);
        let sent: Vec<Instant> = (0..published).map(|n| load.rooms[n % 3][n / 3]).collect();
        for pair in sent.windows(2) {
            assert_eq!(pair[1].duration_since(pair[0]).as_micros(), 2000);
        }
    }
}
