use std::net::TcpListener;

use crate::binary::{command, run};

/// Exit code 2 and one line on standard error.
fn sentence(args: &[&str]) -> String {
    let output = run(args);
    let text = String::from_utf8(output.stderr).expect("it writes text");
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    assert!(output.stdout.is_empty());
    text
}

#[test]
fn a_port_in_use_is_one_sentence_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    for front in ["own", "actix"] {
        let text = sentence(&["serve", "--listen", &address, "--front", front]);
        assert!(text.contains(&address) && text.contains("in use") && text.contains("--listen"), "{text}");
    }
}

#[test]
fn a_bad_flag_is_one_sentence_and_exit_code_2() {
    for (args, part) in [
        (&["serve", "--lisen", "127.0.0.1:0"][..], "'--listen'"),
        (&["serve", "--timeout", "soon"], "--timeout"),
        (&["serve", "--timeout"], "--timeout"),
        (&["serve", "--max-queue", "0"], "--max-queue"),
        (&["serve", "--max-interval", "0"], "--max-interval"),
        (&["serve", "--max-message-size", "0"], "--max-message-size"),
        (&["serve", "--workers", "3000"], "--workers"),
        (&["serve", "--max-memory", "1GB"], "--max-memory"),
        (&["serve", "--max-queue-bytes", "0"], "--max-queue-bytes"),
        (&["serve", "--write-timeout", "0"], "--write-timeout"),
        (&["serve", "--tls-cert", "a.pem"], "--tls-key"),
        (&["serve", "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], "/nowhere.pem"),
        (&["serve", "--path", "/a b"], "--path"),
        (&["serve", "--allow-origin", "example"], "--allow-origin"),
        (&["serve", "--trusted-proxy", "proxy.example"], "--trusted-proxy"),
        (&["serve", "--trusted-proxy", "::1", "--trusted-proxy", "0.0.0.0/0"], "--trusted-proxy"),
        (&["serve", "--listen", "nowhere"], "--listen"),
        (&["dev", "--path", "/chat"], "/chat"),
        (&["serv"], "serv"),
    ] {
        let text = sentence(args);
        assert!(text.starts_with("bayeux: ") && text.contains(part), "{args:?}: {text}");
    }
}

#[test]
fn a_bad_rust_log_is_told() {
    let output = command(&["serve", "--listen", "127.0.0.1:0"]).env("RUST_LOG", "info,=x=").output();
    let output = output.expect("the binary runs");
    let text = String::from_utf8(output.stderr).expect("it writes text");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("bayeux: RUST_LOG: "), "{text}");
}

#[test]
fn help_names_every_option_with_its_default() {
    let output = run(&["serve", "--help"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("it writes text");
    for part in [
        "--listen <ADDR>",
        "[default: 127.0.0.1:8080]",
        "--path",
        "[default: /bayeux]",
        "--workers",
        "--allow-origin",
        "--trusted-proxy <ADDR|CIDR>",
        "--timeout <TIME>",
        "[default: 20s]",
        "--interval",
        "--max-interval",
        "[default: 10s]",
        "TIME is written as",
        "Limits:",
        "--max-memory <SIZE>",
        "[default: 1GiB]",
        "SIZE is written as",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn limits_prints_the_table_of_the_documents() {
    let output = run(&["limits"]);
    let text = String::from_utf8(output.stdout).expect("it writes text");
    assert!(output.status.success() && text.contains("| `max_memory` | `--max-memory` | 1GiB |"), "{text}");
}
