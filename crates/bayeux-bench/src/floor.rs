//! The floor: an epoll loop that does nothing but write. Whatever a server does more than this is its own cost.
//!
//! A connection upgraded at `/sub` is a subscriber. What one upgraded at `/pub` sends is written to all of them: at
//! `/pub`, one write for each message; at `/pub-coalescing`, what came in one turn in one frame and one write. A
//! POST to `/poll` is a long poll: answered with what comes next.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use crate::{frames, http};

const LISTENER: Token = Token(usize::MAX);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Unknown,
    Subscriber,
    Publisher { coalescing: bool },
    Poll { waiting: bool },
}

struct Connection {
    stream: TcpStream,
    role: Role,
    input: Vec<u8>,
    /// Messages that came while a poll was not waiting.
    missed: Vec<u8>,
}

pub(crate) fn run() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on http://{}/", listener.local_addr()?);
    let mut events = Events::with_capacity(1024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&poll, &listener, &mut connections)?;
                continue;
            }
            let at = event.token().0;
            let Some(mut connection) = connections[at].take() else {
                continue;
            };
            if connection.read()? {
                connection.serve(&mut connections)?;
                connections[at] = Some(connection);
            }
        }
    }
}

fn accept(poll: &Poll, listener: &TcpListener, connections: &mut Vec<Option<Connection>>) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        poll.registry().register(&mut stream, Token(connections.len()), Interest::READABLE)?;
        connections.push(Some(Connection { stream, role: Role::Unknown, input: Vec::new(), missed: Vec::new() }));
    }
}

impl Connection {
    /// Reads what there is; whether the connection goes on.
    fn read(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(length) => self.input.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(_) => return Ok(false),
            }
        }
    }

    fn serve(&mut self, others: &mut [Option<Self>]) -> io::Result<()> {
        match self.role {
            Role::Unknown | Role::Poll { .. } => self.serve_http(),
            Role::Subscriber => {
                self.input.clear();
                Ok(())
            }
            Role::Publisher { coalescing } => self.publish(others, coalescing),
        }
    }

    fn serve_http(&mut self) -> io::Result<()> {
        let Some(length) = http::complete(&self.input) else {
            return Ok(());
        };
        let path = self.input.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let role = match path {
            b"/sub" => Role::Subscriber,
            b"/pub" => Role::Publisher { coalescing: false },
            b"/pub-coalescing" => Role::Publisher { coalescing: true },
            _ => Role::Poll { waiting: true },
        };
        self.role = role;
        self.input.drain(..length);
        if role != (Role::Poll { waiting: true }) {
            return write(
                &mut self.stream,
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            );
        }
        if self.missed.is_empty() {
            return Ok(());
        }
        let missed = std::mem::take(&mut self.missed);
        self.answer(&missed)
    }

    /// One response with `events`, each followed by a comma, and a connect reply: as many bytes as a server's.
    fn answer(&mut self, events: &[u8]) -> io::Result<()> {
        self.role = Role::Poll { waiting: false };
        let reply = format!(
            r#"{{"channel":"/meta/connect","id":"c","successful":true,"clientId":"{:034}","advice":{{"reconnect":"retry","interval":0,"timeout":600000}}}}]"#,
            0
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
             content-type: application/json;charset=UTF-8\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n[",
            events.len() + reply.len() + 1
        );
        write(&mut self.stream, &[head.as_bytes(), events, reply.as_bytes()].concat())
    }

    fn publish(&mut self, others: &mut [Option<Self>], coalescing: bool) -> io::Result<()> {
        let mut messages: Vec<Vec<u8>> = Vec::new();
        let mut used = 0;
        while let Some((payload, end)) = frames::next(&self.input[used..]) {
            messages.push(self.input[used..][payload].to_vec());
            used += end;
        }
        self.input.drain(..used);
        let writes: Vec<&[Vec<u8>]> = if coalescing { vec![&messages] } else { messages.chunks(1).collect() };
        for batch in writes.into_iter().filter(|batch| !batch.is_empty()) {
            let mut events = batch.join(&b',');
            let mut frame = Vec::new();
            frames::server_text(&[b"[", &events[..], b"]"].concat(), &mut frame);
            events.push(b',');
            for other in others.iter_mut().flatten() {
                match other.role {
                    Role::Subscriber => write(&mut other.stream, &frame)?,
                    Role::Poll { waiting: true } => other.answer(&events)?,
                    Role::Poll { waiting: false } => other.missed.extend_from_slice(&events),
                    Role::Unknown | Role::Publisher { .. } => {}
                }
            }
        }
        Ok(())
    }
}

/// The load reads fast and waits for everybody, so a write never finds a full buffer.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let written = stream.write(bytes)?;
    if written == bytes.len() {
        Ok(())
    } else {
        Err(io::Error::other("a socket buffer is full: the load does not keep up"))
    }
}
