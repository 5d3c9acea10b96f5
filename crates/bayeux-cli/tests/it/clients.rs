//! `sub`, `pub` and `call`, against a server of the same binary.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::binary::{Binary, command, run};

fn server() -> Binary {
    Binary::start(command(&["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::null()))
}

fn url(server: &Binary) -> String {
    format!("http://{}/bayeux", server.address)
}

/// A subscriber, once the server knows of it: `/ready` is published to until it has come.
fn subscriber(url: &str, args: &[&str]) -> (Child, impl Iterator<Item = String>) {
    let mut sub = command(&[&["sub", url], args, &["/ready"]].concat());
    let mut child = sub.stderr(Stdio::inherit()).spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map(|line| line.expect("text"));
    let mut ready = command(&["pub", url, "/ready", "-"]);
    let mut ready = ready.stdin(Stdio::piped()).spawn().expect("the binary runs");
    let mut stdin = ready.stdin.take().expect("it is piped");
    let feeding = std::thread::spawn(move || while writeln!(stdin, "1").is_ok() {});
    assert_eq!(lines.next().as_deref(), Some(r#"{"channel":"/ready","data":1}"#));
    ready.kill().expect("it lives");
    ready.wait().expect("it ends");
    feeding.join().expect("it ends with its reader");
    (child, lines.filter(|line| !line.contains("/ready")))
}

fn publish(url: &str, channel: &str, input: &str) -> std::process::Output {
    let mut publish: Command = command(&["pub", url, channel, "-"]);
    let mut child = publish.stdin(Stdio::piped()).spawn().expect("the binary runs");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

#[test]
fn what_is_published_on_one_command_line_is_printed_by_another() {
    let server = server();
    let url = url(&server);
    let (mut child, mut lines) = subscriber(&url, &["/chat/*"]);
    let lobby = run(&["pub", &url, "/chat/lobby", r#"{"text": "Good morning"}"#]);
    assert!(lobby.status.success(), "{lobby:?}");
    assert_eq!(lines.next().as_deref(), Some(r#"{"channel":"/chat/lobby","data":{"text":"Good morning"}}"#));
    let input: String = (0..300).map(|number| format!("{number}\n")).collect();
    assert!(publish(&url, "/chat/many", &input).status.success());
    for number in 0..300 {
        assert_eq!(lines.next(), Some(format!(r#"{{"channel":"/chat/many","data":{number}}}"#)));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it lives");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_subscriber_ends_after_so_many_messages() {
    let server = server();
    let url = url(&server);
    let output = std::thread::scope(|scope| {
        let sub = scope.spawn(|| run(&["sub", &url, "/a", "--count", "3", "--transport", "websocket", "--ack"]));
        while !sub.is_finished() {
            run(&["pub", &url, "/a", "null"]);
        }
        sub.join().expect("it ends")
    });
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"channel\":\"/a\",\"data\":null}\n".repeat(3));
}

#[test]
fn exit_codes_say_whose_fault_it_was() {
    let server = server();
    let url = url(&server);
    let bad = publish(&url, "/a", "1\nno JSON\n2\n");
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("line 2: "), "{bad:?}");
    for (args, code, text) in [
        (["pub", &url, "/a", "{"], 2, "is no JSON"),
        (["pub", &url, "/a/*", "1"], 2, "publishing to /a/*: "),
        (["sub", &url, "a", "--ack"], 2, "subscribing to a: "),
        (["sub", "http://127.0.0.1:1/", "/a", "--connect-timeout=1s"], 1, "connecting: the connection failed"),
    ] {
        let output = run(&args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(text), "{args:?}: {stderr}");
    }
}

#[test]
fn who_waits_in_vain_is_told_so() {
    let server = server();
    let output = run(&["sub", &url(&server), "/a", "--wait", "100ms", "--transport", "eventsource"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "bayeux: nothing came for 0.1 s\n");
}

#[test]
fn a_call_says_what_became_of_it() {
    let server = server();
    let url = url(&server);
    for (args, code, says) in [
        (["call", &url, "/chat", "1"], 2, "calling /chat: this channel is not for that"),
        (["call", &url, "/service/x", "{"], 2, "\"{\" is no JSON"),
    ] {
        let output = run(&args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(says), "{told}");
    }
}
