//! One publisher, many subscribers, closed loop; floor and server in turn.

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use memchr::memmem;
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::{Fanout, Transport, frames, http, process::Server, session::Session};

/// Longest wait for a round: after that something was lost.
const PATIENCE: Duration = Duration::from_secs(20);
const CHANNEL: &str = "/bench/x";

pub(crate) fn run(args: &Fanout) -> io::Result<()> {
    let common = &args.common;
    let program = std::env::current_exe()?;
    let floor = Server::start(&program.to_string_lossy(), &["floor"])?;
    let server =
        Server::start(&common.server, &["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--timeout", "10m"])?;
    let mut floor_load = Load::at_floor(&floor, args)?;
    let mut server_load = Load::at_server(&server, args)?;
    println!(
        "{} subscribers over {:?}, {} bytes, {} in flight; {} pairs of {} s",
        common.sessions, common.transport, args.payload, args.in_flight, args.runs, args.seconds
    );
    println!(
        "{:>8} {:>12} {:>12} {:>10} {:>10} {:>6} {:>6}",
        "", "µs CPU/del.", "del./s", "p50 µs", "p99 µs", "lost", "dup."
    );
    let mut ratios = Vec::new();
    for _ in 0..args.runs {
        let below = floor_load.measure(&floor, args)?;
        below.print("floor");
        let above = server_load.measure(&server, args)?;
        above.print("server");
        ratios.push(above.micros_per_delivery() / below.micros_per_delivery());
    }
    ratios.sort_by(f64::total_cmp);
    let (least, median, most) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!("ratio of CPU per delivery, server to floor: median {median:.2} (min {least:.2}, max {most:.2})");
    Ok(())
}

/// All connections of one measured process.
struct Load {
    poll: Poll,
    subscribers: Vec<Subscriber>,
    publisher: std::net::TcpStream,
    /// A publish, before and after its number.
    message: (String, String),
    sent: u64,
}

struct Subscriber {
    stream: TcpStream,
    input: Vec<u8>,
    /// Over HTTP: what to send after each reply.
    poll: Vec<u8>,
    next: u64,
}

/// What one stretch showed.
struct Stretch {
    deliveries: u64,
    cpu_nanos: u64,
    wall: Duration,
    latencies: Vec<u64>,
    lost: u64,
    duplicated: u64,
}

impl Load {
    fn at_floor(floor: &Server, args: &Fanout) -> io::Result<Self> {
        let publisher = if args.in_flight > 1 { "/pub-coalescing" } else { "/pub" };
        let publisher = Session::socket(&floor.address, publisher)?;
        let subscriber = || match args.common.transport {
            Transport::Websocket => Session::socket(&floor.address, "/sub"),
            Transport::LongPolling => Session::floor_poll(&floor.address, "/poll"),
        };
        // What a server makes of a publish: its channel and data.
        Self::new(args, publisher, "", subscriber)
    }

    fn at_server(server: &Server, args: &Fanout) -> io::Result<Self> {
        let publisher = Session::websocket(&server.address, &server.path, None)?;
        let rest = format!(r#","clientId":"{}","id":"p""#, publisher.client_id);
        let subscriber = || match args.common.transport {
            Transport::Websocket => Session::websocket(&server.address, &server.path, Some(CHANNEL)),
            Transport::LongPolling => Session::long_polling(&server.address, &server.path, CHANNEL),
        };
        Self::new(args, publisher, &rest, subscriber)
    }

    fn new(
        args: &Fanout,
        publisher: Session,
        rest: &str,
        subscriber: impl Fn() -> io::Result<Session>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut subscribers = Vec::new();
        for n in 0..args.common.sessions {
            let mut session = subscriber()?;
            session.stream.write_all(&session.poll)?;
            session.stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(session.stream);
            poll.registry().register(&mut stream, Token(n), Interest::READABLE)?;
            subscribers.push(Subscriber { stream, input: Vec::new(), poll: session.poll, next: 0 });
        }
        publisher.stream.set_nonblocking(true)?;
        let filler = "x".repeat(args.payload.saturating_sub(22));
        let before = format!(r#"{{"channel":"{CHANNEL}","data":{{"s":"#);
        let after = format!(r#","p":"{filler}"}}{rest}}}"#);
        Ok(Self { poll, subscribers, publisher: publisher.stream, message: (before, after), sent: 0 })
    }

    fn measure(&mut self, server: &Server, args: &Fanout) -> io::Result<Stretch> {
        for _ in 0..20 {
            self.round(args, &mut Vec::new())?;
        }
        let mut latencies = Vec::new();
        let (cpu, begin, sent) = (server.cpu_nanos()?, Instant::now(), self.sent);
        let mut missed = 0;
        while begin.elapsed() < Duration::from_secs(args.seconds) {
            missed += self.round(args, &mut latencies)?;
        }
        let subscribers = self.subscribers.len() as u64;
        let lost: u64 = self.subscribers.iter().map(|subscriber| self.sent.saturating_sub(subscriber.next)).sum();
        Ok(Stretch {
            deliveries: (self.sent - sent) * subscribers,
            cpu_nanos: server.cpu_nanos()? - cpu,
            wall: begin.elapsed(),
            latencies,
            lost,
            duplicated: missed,
        })
    }

    /// Publishes, and waits until every subscriber has everything. Returns how many came out of turn.
    fn round(&mut self, args: &Fanout, latencies: &mut Vec<u64>) -> io::Result<u64> {
        let mut bytes = Vec::new();
        for _ in 0..args.in_flight {
            // Twelve digits, so that every message is equally long.
            let number = 100_000_000_000 + self.sent;
            frames::client_text(format!("{}{number}{}", self.message.0, self.message.1).as_bytes(), &mut bytes);
            self.sent += 1;
        }
        let begin = Instant::now();
        self.publisher.write_all(&bytes)?;
        let mut behind = self.subscribers.len();
        let mut events = Events::with_capacity(1024);
        let (mut scratch, mut out_of_turn) = (vec![0; 64 * 1024], 0);
        while behind > 0 {
            // The load never sleeps: else each write would pay for waking it, which in life another machine pays for, and
            // the slower of floor and server would pay more often.
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            if events.is_empty() && begin.elapsed() > PATIENCE {
                let missing: u64 = self.subscribers.iter().map(|subscriber| self.sent - subscriber.next).sum();
                return Err(io::Error::other(format!(
                    "{missing} deliveries did not come within {} s",
                    PATIENCE.as_secs()
                )));
            }
            for event in &events {
                let subscriber = &mut self.subscribers[event.token().0];
                let was_behind = subscriber.next < self.sent;
                out_of_turn += subscriber.read(&mut scratch)?;
                if was_behind && subscriber.next >= self.sent {
                    behind -= 1;
                    latencies.push(begin.elapsed().as_micros() as u64);
                }
            }
        }
        // The acknowledgements are not looked at, only taken away.
        while self.publisher.read(&mut scratch).is_ok_and(|length| length > 0) {}
        Ok(out_of_turn)
    }
}

impl Subscriber {
    /// Reads what there is, and checks the numbers. Returns how many were out of turn.
    fn read(&mut self, scratch: &mut [u8]) -> io::Result<u64> {
        let mut out_of_turn = 0;
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(io::Error::other("the server closed a connection")),
                Ok(length) => self.input.extend_from_slice(&scratch[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let mut used = 0;
        while let Some(length) = self.complete(&self.input[used..]) {
            for at in memmem::find_iter(&self.input[used..used + length], b"\"s\":") {
                let digits = &self.input[used + at + 4..used + at + 16];
                let number = digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')) - 100_000_000_000;
                out_of_turn += u64::from(number != self.next);
                self.next = number + 1;
            }
            used += length;
            if !self.poll.is_empty() {
                self.stream.write_all(&self.poll)?;
            }
        }
        self.input.drain(..used);
        Ok(out_of_turn)
    }

    fn complete(&self, bytes: &[u8]) -> Option<usize> {
        if self.poll.is_empty() { frames::next(bytes).map(|(_, end)| end) } else { http::complete(bytes) }
    }
}

impl Stretch {
    fn micros_per_delivery(&self) -> f64 {
        self.cpu_nanos as f64 / 1000.0 / self.deliveries.max(1) as f64
    }

    fn print(&self, name: &str) {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let percentile =
            |percent: usize| sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0);
        println!(
            "{name:>8} {:>12.3} {:>12.0} {:>10} {:>10} {:>6} {:>6}",
            self.micros_per_delivery(),
            self.deliveries as f64 / self.wall.as_secs_f64(),
            percentile(50),
            percentile(99),
            self.lost,
            self.duplicated
        );
    }
}
