use std::{
    fs::OpenOptions,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
};

use rustix::process::Signal;

use crate::binary::{Binary, command};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];
const HANDSHAKE: &str =
    r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}]"#;

#[test]
fn a_signal_in_the_first_moment_ends_it_in_peace() {
    for signal in [Signal::INT, Signal::TERM] {
        let server = Binary::start(&mut command(&SERVE));
        server.signal(signal);
        let (status, log) = server.end();
        assert!(status.success(), "{status}: {log}");
    }
}

#[test]
fn what_was_counted_is_told_at_the_end() {
    let server = Binary::start(&mut command(&SERVE));
    assert!(server.post(HANDSHAKE).contains("\"successful\":true"));
    assert!(server.post("no json").starts_with("HTTP/1.1 400"));
    server.signal(Signal::TERM);
    let (status, log) = server.end();
    assert!(status.success(), "{status}");
    let line = log.lines().find(|line| line.contains("counted:")).expect("the counters are in the log");
    for counted in ["sessions_opened=1", "requests=1", "bodies_malformed=1"] {
        assert!(line.contains(counted), "{counted} is not in {line}");
    }
}

#[test]
fn a_log_that_nobody_reads_does_not_stop_it() {
    let mut server = Binary::start(command(&SERVE).env("RUST_LOG", "trace"));
    server.deaf();
    for _ in 0..50 {
        assert!(server.post(HANDSHAKE).contains("\"successful\":true"));
    }
    server.signal(Signal::TERM);
    assert!(server.end().0.success());
}

#[test]
fn a_full_standard_output_does_not_stop_it() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port is free");
    let mut child = command(&["serve", "--listen", &free.to_string()])
        .stdout(Stdio::from(full))
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    // It listens before it announces that, and then it answers, or it has ended.
    let stream = loop {
        match TcpStream::connect(free) {
            Ok(stream) => break Some(stream),
            Err(_) if child.try_wait().expect("it can be asked").is_some() => break None,
            Err(_) => std::thread::yield_now(),
        }
    };
    let mut response = [0; 12];
    let answered = stream.is_some_and(|mut stream| {
        stream.write_all(b"GET /bayeux HTTP/1.1\r\nHost: a\r\n\r\n").is_ok() && stream.read_exact(&mut response).is_ok()
    });
    let _ = child.kill();
    let _ = child.wait();
    assert!(answered && &response == b"HTTP/1.1 200", "{response:?}");
}
