//! A session made the plain way, one blocking step after another; afterwards its socket is polled.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use memchr::memmem;

use crate::{frames, http};

/// A connection with a session on it, or, to a floor, without.
pub(crate) struct Session {
    pub(crate) stream: TcpStream,
    pub(crate) client_id: String,
    /// The whole request of a connect, over HTTP.
    pub(crate) poll: Vec<u8>,
}

const HANDSHAKE: &str = r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket","long-polling"],"id":"h"}]"#;

impl Session {
    /// A WebSocket that was upgraded at `path` and has no session.
    pub(crate) fn socket(address: &str, path: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let answer = read_http(&mut stream)?;
        if !answer.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other("the upgrade was refused"));
        }
        Ok(Self { stream, client_id: String::new(), poll: Vec::new() })
    }

    /// A session over a WebSocket, subscribed to `channel` if there is one, with a held connect.
    pub(crate) fn websocket(address: &str, path: &str, channel: Option<&str>) -> io::Result<Self> {
        let mut session = Self::socket(address, path)?;
        session.client_id = client_id(&session.call(HANDSHAKE)?)?;
        let id = session.client_id.clone();
        let connect =
            format!(r#"[{{"channel":"/meta/connect","connectionType":"websocket","clientId":"{id}","id":"c"}}]"#);
        session.call(&connect)?;
        if let Some(channel) = channel {
            session.call(&subscribe(channel, &id))?;
        }
        let mut frame = Vec::new();
        frames::client_text(connect.as_bytes(), &mut frame);
        session.stream.write_all(&frame)?;
        Ok(session)
    }

    /// A session over HTTP, subscribed to `channel`; its next connect is `poll`.
    pub(crate) fn long_polling(address: &str, path: &str, channel: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let reply = post(&mut stream, address, path, "", HANDSHAKE)?;
        let id = client_id(&reply)?;
        let cookie = cookie(&reply).unwrap_or_default();
        let connect =
            format!(r#"[{{"channel":"/meta/connect","connectionType":"long-polling","clientId":"{id}","id":"c"}}]"#);
        post(&mut stream, address, path, &cookie, &connect)?;
        post(&mut stream, address, path, &cookie, &subscribe(channel, &id))?;
        let poll = request(address, path, &cookie, &connect);
        Ok(Self { stream, client_id: id, poll })
    }

    /// A connection to a floor that polls at `path`.
    pub(crate) fn floor_poll(address: &str, path: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        // As long as a real one, cookie and all.
        let id = "0".repeat(34);
        let connect =
            format!(r#"[{{"channel":"/meta/connect","connectionType":"long-polling","clientId":"{id}","id":"c"}}]"#);
        let poll = request(address, path, &format!("BAYEUX_BROWSER={}", "0".repeat(64)), &connect);
        Ok(Self { stream, client_id: id, poll })
    }

    fn call(&mut self, batch: &str) -> io::Result<Vec<u8>> {
        let mut frame = Vec::new();
        frames::client_text(batch.as_bytes(), &mut frame);
        self.stream.write_all(&frame)?;
        let mut bytes = Vec::new();
        loop {
            if let Some((payload, end)) = frames::next(&bytes) {
                if end != bytes.len() {
                    return Err(io::Error::other("more than was asked for"));
                }
                return Ok(bytes[payload].to_vec());
            }
            read_more(&mut self.stream, &mut bytes)?;
        }
    }
}

fn subscribe(channel: &str, id: &str) -> String {
    format!(r#"[{{"channel":"/meta/subscribe","subscription":"{channel}","clientId":"{id}","id":"s"}}]"#)
}

fn request(address: &str, path: &str, cookie: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nCookie: {cookie}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn post(stream: &mut TcpStream, address: &str, path: &str, cookie: &str, body: &str) -> io::Result<Vec<u8>> {
    stream.write_all(&request(address, path, cookie, body))?;
    let answer = read_http(stream)?;
    if memmem::find(&answer, b"\"successful\":true").is_none() {
        return Err(io::Error::other(format!("refused: {}", String::from_utf8_lossy(&answer))));
    }
    Ok(answer)
}

fn read_http(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while http::complete(&bytes).is_none() {
        read_more(stream, &mut bytes)?;
    }
    Ok(bytes)
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 4096];
    let length = stream.read(&mut chunk)?;
    if length == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    bytes.extend_from_slice(&chunk[..length]);
    Ok(())
}

fn client_id(reply: &[u8]) -> io::Result<String> {
    let after = |needle: &[u8]| memmem::find(reply, needle).map(|at| at + needle.len());
    let start = after(b"\"clientId\":\"").ok_or_else(|| io::Error::other("the handshake was refused"))?;
    let id = reply[start..].split(|byte| *byte == b'"').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(id).into_owned())
}

fn cookie(reply: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(reply);
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie:"))?;
    Some(line[11..].split(';').next()?.trim().to_owned())
}
