//! The floor: an epoll loop that does nothing but write. Whatever a server does more than this is its own cost.
//!
//! A connection upgraded at `/sub/ROOM` is a subscriber of that room. A `GET /poll/ROOM` makes its connection a long-polling
//! one: each POST that follows is held and answered with what comes next. What a connection upgraded at `/pub` sends is
//! written to its room, one write for each message; at `/pub-coalescing`, what came in one turn is written at once. The
//! publisher gets the replies that a server would give.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
};

use memchr::memmem;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use crate::{answers, answers::Answers, connection::READ_BYTES, frames, http, message};

const LISTENER: Token = Token(usize::MAX);
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

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
    /// Messages that came while a poll was not waiting, with a comma between two.
    missed: Vec<u8>,
}

#[derive(Default)]
struct Room {
    members: Vec<usize>,
    /// Messages of this turn, with a comma between two.
    pending: Vec<u8>,
}

struct Floor {
    connections: Vec<Option<Connection>>,
    rooms: Vec<Room>,
    /// Rooms with pending messages.
    touched: Vec<usize>,
    poll_answer: PollAnswer,
    /// The reply to a publish, before and after its channel.
    reply: (String, String),
    /// What is written next; kept for its memory.
    output: Vec<u8>,
}

pub(crate) fn run(answers: Answers) -> io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    println!("listening on http://{}/", listener.local_addr()?);
    serve(listener, answers)
}

/// Runs for ever.
pub(crate) fn serve(mut listener: TcpListener, answers: Answers) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; READ_BYTES];
    let mut floor = Floor::new(answers);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                floor.accept(&poll, &listener)?;
            } else {
                floor.turn(event.token().0, &mut scratch)?;
            }
        }
    }
}

impl Floor {
    fn new(answers: Answers) -> Self {
        let (before, after) = answers.publish.split_once(answers::CHANNEL).unwrap_or((&answers.publish, ""));
        Self {
            connections: Vec::new(),
            rooms: Vec::new(),
            touched: Vec::new(),
            reply: (before.to_owned(), after.to_owned()),
            poll_answer: PollAnswer::new(&answers.head, answers.connect),
            output: Vec::new(),
        }
    }

    fn accept(&mut self, poll: &Poll, listener: &TcpListener) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            poll.registry().register(&mut stream, Token(self.connections.len()), Interest::READABLE)?;
            let connection = Connection { stream, role: Role::Unknown, input: Vec::new(), missed: Vec::new() };
            self.connections.push(Some(connection));
        }
    }

    /// Reads what `at` has sent, and acts on it.
    fn turn(&mut self, at: usize, scratch: &mut [u8]) -> io::Result<()> {
        let Some(mut connection) = self.connections[at].take() else {
            return Ok(());
        };
        if !connection.read(scratch) {
            return Ok(());
        }
        match connection.role {
            Role::Unknown => self.first_request(at, &mut connection)?,
            Role::Subscriber => connection.input.clear(),
            Role::Publisher { coalescing } => self.publish(&mut connection, coalescing)?,
            Role::Poll { .. } => {
                if let Some(length) = http::next(&connection.input)?.map(|request| request.end) {
                    connection.input.drain(..length);
                    connection.role = Role::Poll { waiting: true };
                    if !connection.missed.is_empty() {
                        let missed = std::mem::take(&mut connection.missed);
                        connection.answer(&missed, &self.poll_answer, &mut self.output)?;
                    }
                }
            }
        }
        self.connections[at] = Some(connection);
        Ok(())
    }

    fn first_request(&mut self, at: usize, connection: &mut Connection) -> io::Result<()> {
        let Some(request) = http::next(&connection.input)? else {
            return Ok(());
        };
        let path = request.head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let path = String::from_utf8_lossy(path).into_owned();
        connection.input.drain(..request.end);
        let path = path.trim_start_matches('/');
        let (kind, room) = path.split_once('/').unwrap_or((path, ""));
        connection.role = match kind {
            "pub" => Role::Publisher { coalescing: false },
            "pub-coalescing" => Role::Publisher { coalescing: true },
            "poll" => Role::Poll { waiting: false },
            _ => Role::Subscriber,
        };
        if let Ok(room) = room.parse::<usize>() {
            if self.rooms.len() <= room {
                self.rooms.resize_with(room + 1, Room::default);
            }
            self.rooms[room].members.push(at);
        }
        match connection.role {
            Role::Poll { .. } => write(&mut connection.stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
            _ => write(&mut connection.stream, SWITCHING),
        }
    }

    fn publish(&mut self, publisher: &mut Connection, coalescing: bool) -> io::Result<()> {
        let (mut used, mut replies) = (0, Vec::new());
        while let Some(frame) = frames::next(&publisher.input[used..])? {
            let message = &publisher.input[used..][frame.payload];
            used += frame.end;
            let room = message::room_of(message).filter(|room| *room < self.rooms.len());
            let room = room.ok_or_else(|| io::Error::other("a publish to a room that nobody is in"))?;
            let pending = &mut self.rooms[room].pending;
            if pending.is_empty() {
                self.touched.push(room);
            } else {
                pending.push(b',');
            }
            pending.extend_from_slice(message);
            let reply = format!("[{}{}{}]", self.reply.0, message::channel(room), self.reply.1);
            frames::server_text(reply.as_bytes(), &mut replies);
            if !coalescing {
                self.deliver()?;
            }
        }
        publisher.input.drain(..used);
        self.deliver()?;
        write(&mut publisher.stream, &replies)
    }

    /// Writes what is pending in each room.
    fn deliver(&mut self) -> io::Result<()> {
        for room in self.touched.drain(..) {
            let room = &mut self.rooms[room];
            let mut frame = Vec::new();
            frames::server_text(&[b"[", &room.pending[..], b"]"].concat(), &mut frame);
            for member in &room.members {
                let Some(member) = &mut self.connections[*member] else {
                    continue;
                };
                match member.role {
                    Role::Subscriber => write(&mut member.stream, &frame)?,
                    Role::Poll { waiting: true } => {
                        member.answer(&room.pending, &self.poll_answer, &mut self.output)?;
                    }
                    Role::Poll { waiting: false } => {
                        if !member.missed.is_empty() {
                            member.missed.push(b',');
                        }
                        member.missed.extend_from_slice(&room.pending);
                    }
                    Role::Unknown | Role::Publisher { .. } => {}
                }
            }
            room.pending.clear();
        }
        Ok(())
    }
}

impl Connection {
    /// Reads what there is; whether the connection goes on.
    fn read(&mut self, scratch: &mut [u8]) -> bool {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return false,
                Ok(length) => {
                    self.input.extend_from_slice(&scratch[..length]);
                    // A short read has emptied the socket: whatever comes later is another event.
                    if length < scratch.len() {
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
    }

    /// One response with `events` and a connect reply, in one write.
    fn answer(&mut self, events: &[u8], answer: &PollAnswer, output: &mut Vec<u8>) -> io::Result<()> {
        self.role = Role::Poll { waiting: false };
        output.clear();
        answer.write(events, output)?;
        write(&mut self.stream, output)
    }
}

/// What a response to a poll consists of besides its events.
struct PollAnswer {
    /// The head up to the length of the body, and from there on.
    head: (String, String),
    chunked: bool,
    connect: String,
}

impl PollAnswer {
    fn new(head: &str, connect: String) -> Self {
        const LENGTH: &str = "content-length:";
        match memmem::find(head.to_ascii_lowercase().as_bytes(), LENGTH.as_bytes()) {
            None => Self { head: (head.to_owned(), String::new()), chunked: true, connect },
            Some(at) => {
                let (before, rest) = head.split_at(at + LENGTH.len());
                let after = rest.find('\r').map_or("", |end| &rest[end..]);
                Self { head: (format!("{before} "), after.to_owned()), chunked: false, connect }
            }
        }
    }

    fn write(&self, events: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let length = events.len() + self.connect.len() + "[,]".len();
        let (before, after) = &self.head;
        if self.chunked {
            write!(out, "{before}{after}{length:X}\r\n[")?;
        } else {
            write!(out, "{before}{length}{after}[")?;
        }
        out.extend_from_slice(events);
        write!(out, ",{}]", self.connect)?;
        if self.chunked {
            out.extend_from_slice(b"\r\n0\r\n\r\n");
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
        Err(io::Error::other("a socket buffer is full: the load does not keep up with the floor"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_is_answered_as_the_server_did_with_the_right_length() {
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 163\r\nx: y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length:5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: y\r\n\r\n",
        ] {
            let answer = PollAnswer::new(head, r#"{"channel":"/meta/connect"}"#.to_owned());
            let mut bytes = Vec::new();
            answer.write(br#"{"a":1},{"a":2}"#, &mut bytes).expect("a Vec");
            let response = http::next(&bytes).expect("well-formed").expect("complete");
            assert_eq!(&*response.body, br#"[{"a":1},{"a":2},{"channel":"/meta/connect"}]"#);
            assert_eq!(response.end, bytes.len());
            assert!(memmem::find(response.head, b"\r\nx: y\r\n").is_some());
        }
    }
}
