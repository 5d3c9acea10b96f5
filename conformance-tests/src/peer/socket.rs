//! The WebSocket of a peer: opened at the first message, read by a task of its own.

use super::Peer;
use super::exchange::messages_of;
use crate::transcript::Direction;
use crate::wire::WireError;
use crate::wire::http::{Body, Head, Request};
use crate::wire::stream::Stream;
use crate::wire::websocket::{Frame, Incoming, Reader, opcode, open};
use tokio::sync::mpsc;

/// How a WebSocket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketEnd {
    /// With a close frame, and its code.
    Close(Option<u16>),
    /// Without.
    Broken(String),
    /// It was never there: no connection could be made.
    Unreachable(String),
}

/// What the task of a socket is to do.
pub(super) enum Order {
    /// Send a message.
    Text(String),
    /// Send frames as they are.
    Frames(Vec<Frame>),
}

impl Peer {
    /// Hands something to the socket, which is opened first if there is none. Returns which of all sockets that is.
    pub(super) fn push(&self, order: Order) -> usize {
        let open = self.inner.state.borrow().socket.as_ref().is_some_and(|orders| !orders.is_closed());
        if !open {
            let (sender, receiver) = mpsc::unbounded_channel();
            let number = {
                let mut state = self.inner.state.borrow_mut();
                state.socket = Some(sender);
                state.socket_ends.push(None);
                state.socket_ends.len() - 1
            };
            let peer = self.clone();
            self.inner.scene.spawn(async move { peer.run_socket(number, receiver).await });
        }
        let state = self.inner.state.borrow();
        if let Some(orders) = &state.socket {
            // A task that has just ended says so in socket_ends.
            let _ = orders.send(order);
        }
        state.socket_ends.len() - 1
    }

    /// Sends frames as they are.
    pub fn send_frames(&self, frames: Vec<Frame>) {
        self.push(Order::Frames(frames));
    }

    /// How the last socket ended, if it has.
    pub fn socket_end(&self) -> Option<SocketEnd> {
        self.inner.state.borrow().socket_ends.last().cloned().flatten()
    }

    /// Whether a pong of this payload came.
    pub fn has_pong(&self, payload: &[u8]) -> bool {
        self.inner.state.borrow().pongs.iter().any(|pong| pong == payload)
    }

    async fn run_socket(&self, number: usize, orders: mpsc::UnboundedReceiver<Order>) {
        let connection = self.next_connection();
        let end = match self.open_socket(connection).await {
            Ok(stream) => self.talk(connection, stream, orders).await,
            Err(end) => end,
        };
        self.inner.scene.transcript.note(&self.inner.name, format!("connection {connection}: {end:?}"));
        self.inner.state.borrow_mut().socket_ends[number] = Some(end);
        self.inner.changed.notify_waiters();
    }

    async fn open_socket(&self, connection: usize) -> Result<Stream, SocketEnd> {
        let (stream, head) = self.upgrade(connection, self.headers()).await.map_err(|error| match error {
            WireError::Connect(_) => SocketEnd::Unreachable(error.to_string()),
            error => SocketEnd::Broken(error.to_string()),
        })?;
        let refused = || SocketEnd::Broken(format!("the upgrade was answered with {}", head.status));
        if head.status == 101 { Ok(stream) } else { Err(refused()) }
    }

    /// Asks for a WebSocket with these head fields, and returns the head of the answer, whatever it is.
    pub async fn upgrade(
        &self,
        connection: usize,
        headers: Vec<(String, String)>,
    ) -> Result<(Stream, Head), WireError> {
        let scene = &self.inner.scene;
        let mut stream = Stream::connect(&scene.target.address).await?;
        let target = scene.target.path("");
        let request = Request { method: "GET".into(), target: target.clone(), headers, body: Body::None };
        scene.transcript.add(
            &self.inner.name,
            connection,
            Direction::Sent,
            format!("GET {target} (upgrade to WebSocket)").as_bytes(),
        );
        let head = open(&mut stream, request, &scene.target.host()).await?;
        let fields: Vec<_> = head.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let text = format!("HTTP/1.1 {}\n{}", head.status, fields.join("\n"));
        scene.transcript.add(&self.inner.name, connection, Direction::Received, text.as_bytes());
        self.jar().borrow_mut().take_over(&head.headers);
        Ok((stream, head))
    }

    async fn talk(
        &self,
        connection: usize,
        mut stream: Stream,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) -> SocketEnd {
        let mut reader = Reader::default();
        let mut unwritable = None;
        loop {
            let done = tokio::select! {
                order = orders.recv(), if unwritable.is_none() => match order {
                    Some(order) => {
                        // A server may close before it has read everything; its close frame is still to be read.
                        unwritable = self.carry_out(connection, &mut stream, order).await.err();
                        Ok(())
                    }
                    None => return SocketEnd::Broken("the suite dropped the connection".into()),
                },
                incoming = reader.next(&mut stream) => match incoming {
                    Ok(Incoming::Close(code)) => {
                        // The answer may find the connection gone already.
                        let _ = stream.write(&Frame::close(code.unwrap_or(1000)).encode()).await;
                        return SocketEnd::Close(code);
                    }
                    Ok(incoming) => self.take_in(connection, &mut stream, incoming).await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = done {
                return SocketEnd::Broken(unwritable.unwrap_or(error).to_string());
            }
        }
    }

    async fn carry_out(&self, connection: usize, stream: &mut Stream, order: Order) -> Result<(), WireError> {
        let transcript = &self.inner.scene.transcript;
        match order {
            Order::Text(text) => {
                transcript.add(&self.inner.name, connection, Direction::Sent, text.as_bytes());
                stream.write(&Frame::text(text).encode()).await
            }
            Order::Frames(frames) => {
                let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
                let shown: Vec<_> = frames.iter().map(describe).collect();
                transcript.add(&self.inner.name, connection, Direction::Sent, shown.join("\n").as_bytes());
                stream.write(&bytes).await
            }
        }
    }

    async fn take_in(&self, connection: usize, stream: &mut Stream, incoming: Incoming) -> Result<(), WireError> {
        let transcript = &self.inner.scene.transcript;
        let add = |bytes: &[u8]| transcript.add(&self.inner.name, connection, Direction::Received, bytes);
        match incoming {
            Incoming::Text(text) => {
                add(text.as_bytes());
                match messages_of(text.as_bytes()) {
                    Ok(messages) => self.arrive(None, messages),
                    Err(why) => self.inner.scene.witness.unreadable(self, &why),
                }
            }
            Incoming::Binary(bytes) => {
                add(&bytes);
                self.inner.scene.witness.unreadable(self, "a binary message");
            }
            Incoming::Ping(payload) => {
                stream.write(&Frame { opcode: opcode::PONG, ..Frame::text(payload) }.encode()).await?;
            }
            Incoming::Pong(payload) => self.inner.state.borrow_mut().pongs.push(payload),
            Incoming::Close(_) => {}
        }
        self.inner.changed.notify_waiters();
        Ok(())
    }
}

fn describe(frame: &Frame) -> String {
    let shown: String = String::from_utf8_lossy(&frame.payload).chars().take(200).collect();
    format!(
        "frame: opcode {}, fin {}, reserved {}, masked {}, {} bytes: {shown}",
        frame.opcode,
        frame.fin,
        frame.reserved,
        frame.masked,
        frame.declared.unwrap_or(frame.payload.len() as u64)
    )
}
