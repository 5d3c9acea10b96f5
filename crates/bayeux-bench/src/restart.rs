//! A shutdown with everybody connected, and a new start on the same port: who is told, how long the end takes, and how the
//! clients come back.

mod client;
mod outcome;

use std::{
    io, thread,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token};

use self::{
    client::{Client, Phase},
    outcome::Shutdown,
};
use crate::{
    PATIENCE, Verdict,
    args::{Restart, Transport, Url},
    connection::{Connection, READ_BYTES},
    message::{self, Template},
    process::{FREE_PORT, Server, allow_files},
    session::Session,
    text::thousands,
};

/// Members of each room, and publishes a second to one room after the other.
const MEMBERS: usize = 100;
const PER_SECOND: u32 = 100;
const PAYLOAD: usize = 100;
const LOAD: Duration = Duration::from_secs(2);
/// Clients are spread by the server over so much time; that is its default.
const SPREAD: Duration = Duration::from_secs(5);
const PUBLISHER: Token = Token(usize::MAX - 1);
const PROGRESS: usize = 1000;
const TICK: Duration = Duration::from_millis(1);

pub(crate) use self::outcome::{MOST_RATIO, Outcome};

pub(crate) fn run(args: &Restart) -> io::Result<Verdict> {
    let outcome = measure(&args.program.server, args.sessions)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        outcome.print();
    }
    Ok(if outcome.is_good() { Verdict::Good } else { Verdict::Bad })
}

/// Starts `program`, connects so many sessions, ends it and starts it again.
pub(crate) fn measure(program: &str, sessions: u32) -> io::Result<Outcome> {
    allow_files(2 * u64::from(sessions))?;
    let mut server = Server::serve(program, FREE_PORT, &[])?;
    let mut crowd = match Crowd::open(&server.url, sessions as usize) {
        Ok(crowd) => crowd,
        Err(error) => return Err(server.explain(&error)),
    };
    let shutdown = match crowd.end(&mut server) {
        Ok(shutdown) => shutdown,
        Err(error) => return Err(server.explain(&error)),
    };
    let (program, address) = (program.to_owned(), server.url.address.clone());
    // In a thread of its own: clients that come meanwhile find nobody, as in life.
    let starting = thread::spawn(move || Server::serve(&program, &address, &[]));
    let returned = crowd.come_back();
    drop(crowd);
    let mut next = starting.join().map_err(|_| io::Error::other("the thread that starts the server panicked"))??;
    match returned {
        Ok(returned) => Ok(Outcome { sessions, shutdown, returned, before: server.last_words()?, after: next.stop()? }),
        Err(error) => Err(next.explain(&error)),
    }
}

/// All clients, and the publisher that keeps them busy.
struct Crowd {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    url: Url,
    clients: Vec<Client>,
    publisher: Option<Connection>,
    template: Template,
    /// When the publisher began, and what it has sent.
    begun: Instant,
    sent: u64,
}

impl Crowd {
    fn open(url: &Url, sessions: usize) -> io::Result<Self> {
        let (poll, rooms) = (Poll::new()?, sessions.div_ceil(MEMBERS));
        let mut clients = Vec::with_capacity(sessions);
        for number in 0..sessions {
            if number % PROGRESS == 0 {
                let (number, sessions) = (thousands(number as u64), thousands(sessions as u64));
                eprintln!("restart: {number} of {sessions} sessions …");
            }
            let transport = if number % 2 == 0 { Transport::Websocket } else { Transport::LongPolling };
            let session = Session::open(url, transport, Some(&message::channel(number % rooms)))?;
            clients.push(Client::new(session, &poll, Token(number))?);
        }
        let publisher = Session::open(url, Transport::Websocket, None)?;
        let template = Template::new(PAYLOAD, Some(&publisher.client_id));
        let publisher = Some(Connection::new(publisher, &poll, PUBLISHER)?);
        let (events, scratch) = (Events::with_capacity(1024), vec![0; READ_BYTES]);
        Ok(Self {
            poll,
            events,
            scratch,
            url: url.clone(),
            clients,
            publisher,
            template,
            begun: Instant::now(),
            sent: 0,
        })
    }

    /// Publishes for a while, asks the server to end, and takes what it says until it has.
    fn end(&mut self, server: &mut Server) -> io::Result<Shutdown> {
        self.begun = Instant::now();
        while self.begun.elapsed() < LOAD {
            self.publish()?;
            self.turn(false)?;
        }
        if let Some(client) = self.clients.iter().find(|client| client.phase != Phase::Held) {
            return Err(io::Error::other(format!("a session was lost before the shutdown: {:?}", client.phase)));
        }
        let deliveries = self.clients.iter().map(|client| client.deliveries).sum();
        eprintln!("restart: SIGTERM …");
        let asked = Instant::now();
        server.terminate()?;
        let mut told_seconds = 0.0;
        let status = loop {
            let before = self.untold();
            // It goes on until its own connection is closed.
            if self.publisher.is_some() && self.publish().is_err() {
                self.publisher = None;
            }
            self.turn(true)?;
            self.send_back()?;
            if self.untold() < before {
                told_seconds = asked.elapsed().as_secs_f64();
            }
            if let Some(status) = server.ended()? {
                break status;
            }
            if asked.elapsed() > PATIENCE {
                return Err(io::Error::other("the server does not end"));
            }
        };
        let seconds = asked.elapsed().as_secs_f64();
        self.publisher = None;
        // What is in the system's buffers still comes.
        while self.turn(true)? {}
        let without_1001 =
            self.clients.iter().filter(|client| client.is_socket() && client.close != Some(1001)).count();
        let hanging = self.clients.iter().filter(|client| client.hangs).count();
        let untold = self.untold();
        Ok(Shutdown { deliveries, seconds, told_seconds, untold, without_1001, hanging, success: status.success() })
    }

    fn untold(&self) -> usize {
        self.clients.iter().filter(|client| client.interval.is_none()).count()
    }

    /// Sends each client back whose time has come.
    fn send_back(&mut self) -> io::Result<()> {
        let now = Instant::now();
        for (number, client) in self.clients.iter_mut().enumerate() {
            client.come_back(&self.url, &self.poll, Token(number), now)?;
        }
        Ok(())
    }

    /// Goes on until all have sessions again.
    fn come_back(&mut self) -> io::Result<outcome::Returned> {
        let begun = Instant::now();
        let intervals: Vec<Duration> = self.clients.iter().filter_map(|client| client.interval).collect();
        eprintln!("restart: all come back …");
        while self.clients.iter().any(|client| client.phase != Phase::Back) {
            self.send_back()?;
            self.turn(false)?;
            if begun.elapsed() > SPREAD + 2 * PATIENCE {
                break;
            }
        }
        let mut returned = outcome::Returned::of(&self.clients, SPREAD, &intervals);
        returned.seconds = begun.elapsed().as_secs_f64();
        Ok(returned)
    }

    /// Publishes what is due.
    fn publish(&mut self) -> io::Result<()> {
        let Some(publisher) = &mut self.publisher else {
            return Ok(());
        };
        let due = (self.begun.elapsed().as_secs_f64() * f64::from(PER_SECOND)) as u64;
        let (rooms, mut bytes) = (self.clients.len().div_ceil(MEMBERS) as u64, Vec::new());
        for number in self.sent..due {
            self.template.frame((number % rooms) as usize, number / rooms, &mut bytes);
        }
        self.sent = due;
        publisher.send(&bytes)
    }

    /// Takes what has come. Returns whether there was something.
    fn turn(&mut self, leaving: bool) -> io::Result<bool> {
        let Self { poll, events, scratch, url, clients, publisher, .. } = self;
        poll.poll(events, Some(TICK))?;
        for event in &*events {
            match clients.get_mut(event.token().0) {
                Some(client) => client.ready(scratch, url, leaving)?,
                None => {
                    let Some(connection) = publisher else { continue };
                    let ended = connection.flush().is_err() || connection.receive(scratch, |_| Ok(())).is_err();
                    if ended && leaving {
                        *publisher = None;
                    } else if ended {
                        return Err(io::Error::other("the publisher's connection ended"));
                    }
                }
            }
        }
        Ok(!events.is_empty())
    }
}
