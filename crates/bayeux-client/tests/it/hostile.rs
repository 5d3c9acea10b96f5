//! Servers that send what they should not.

use std::net::SocketAddr;

use bayeux_client::{Limits, NetworkFault, State, Transports, Trouble};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{builder, until};

/// Answers every request like this, and goes on with that for as long as it is read.
async fn server(head: &'static str, again: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, head, again));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, head: &str, again: &str) -> std::io::Result<()> {
    let mut request = [0; 4096];
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    stream.write_all(head.as_bytes()).await?;
    while !again.is_empty() {
        stream.write_all(again.as_bytes()).await?;
    }
    stream.shutdown().await
}

async fn fault(head: &'static str, again: &'static str) -> NetworkFault {
    let address = server(head, again).await;
    let limits = Limits { max_bytes: 100_000, max_messages: 10, max_depth: 8 };
    let client = builder(&format!("http://{address}/")).transports(Transports::LongPolling).limits(limits);
    let client = client.start().expect("the options are right");
    match until(&client, |state| matches!(state, State::Retrying { .. })).await {
        State::Retrying { why: Trouble::Network(fault), .. } => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bx_hrd_6_a_body_that_is_declared_too_large_is_not_read() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n";
    assert_eq!(fault(head, "").await, NetworkFault::TooLarge { limit: 100_000 });
}

#[tokio::test]
async fn bx_hrd_6_a_body_without_end_is_not_read_to_its_end() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(fault(head, "A\r\n          \r\n").await, NetworkFault::TooLarge { limit: 100_000 });
}

#[tokio::test]
async fn bx_cli_1_what_is_no_batch_is_a_failure() {
    for (body, what) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html", "no batch"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[[[[[[[[[[]]]]]]]]]]", "deep"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 34\r\n\r\n[{},{},{},{},{},{},{},{},{},{},{}]", "many"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "empty"),
    ] {
        let fault = fault(body, "").await;
        assert!(matches!(fault, NetworkFault::Unreadable(_)), "{what}: {fault}");
    }
    assert_eq!(fault("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "").await, NetworkFault::Status(500));
    let cut = fault("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[{", "").await;
    assert!(matches!(cut, NetworkFault::Connection(_)), "{cut}");
}
