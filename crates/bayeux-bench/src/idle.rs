//! Resident memory of sessions that wait: WebSockets with a held connect, or held long polls.

use std::{io, io::Write};

use crate::{Idle, Transport, process::Server, session::Session};

pub(crate) fn run(args: &Idle) -> io::Result<()> {
    let common = &args.common;
    let server =
        Server::start(&common.server, &["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--timeout", "10m"])?;
    let before = server.resident_kib()?;
    let mut sessions = Vec::with_capacity(common.sessions);
    for _ in 0..common.sessions {
        let mut session = match common.transport {
            Transport::Websocket => Session::websocket(&server.address, &server.path, Some("/bench/x"))?,
            Transport::LongPolling => Session::long_polling(&server.address, &server.path, "/bench/x")?,
        };
        session.stream.write_all(&session.poll)?;
        sessions.push(session);
    }
    let after = server.resident_kib()?;
    println!("{} idle sessions over {:?}", common.sessions, common.transport);
    println!(
        "resident: {before} KiB before, {after} KiB after, {:.1} KiB a session",
        (after - before) as f64 / common.sessions as f64
    );
    Ok(())
}
