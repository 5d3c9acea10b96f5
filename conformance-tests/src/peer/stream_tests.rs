//! What the suite makes of responses that go on: cut anywhere, of a said length, ended and broken off.

use super::{Peer, STREAM_CONNECT, Transport};
use crate::json::Json;
use crate::target::Target;
use crate::testing::scene;
use crate::wire::served::read_request;
use crate::wire::stream::Stream;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n";
const FIRST: &str = r#"[{"channel":"/meta/connect","id":"1","successful":true}]"#;
const EVENT: &str = r#"[{"channel":"/x","data":1}]"#;

/// Gives each request the next of these responses, in their pieces, and ends the connection behind one that is to break off.
async fn serve(responses: Vec<(Vec<String>, bool)>) -> (Target, Rc<RefCell<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/bayeux", listener.local_addr().expect("it listens"));
    let seen = Rc::<RefCell<Vec<String>>>::default();
    let (requests, mut responses) = (seen.clone(), responses.into_iter());
    tokio::task::spawn_local(async move {
        let mut broken = Vec::new();
        while let Ok((tcp, _)) = listener.accept().await {
            let mut stream = Stream::accepted(tcp).expect("a connection");
            let Ok(request) = read_request(&mut stream).await else { return };
            requests.borrow_mut().push(format!("{} {}", request.method, request.target));
            let Some((pieces, ends)) = responses.next() else { return };
            for piece in pieces {
                stream.write(piece.as_bytes()).await.expect("somebody reads");
                tokio::task::yield_now().await;
            }
            if !ends {
                broken.push(stream);
            }
        }
    });
    let mut target = Target::new(&url, None).expect("a URL");
    target.budget.answer = Duration::from_millis(500);
    (target, seen)
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// What comes on a stream of such a response: the data of its events, and how it ended, if it has.
async fn read(pieces: Vec<String>, breaks: bool) -> (Vec<Json>, Option<bool>) {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let (target, _) = serve(vec![(pieces, breaks)]).await;
            let scene = scene(target);
            let peer = Peer::new(&scene, "a", Transport::XhrStreaming);
            let mut connect = peer.connect_message();
            connect.set("id", "1".into());
            let sent = peer.send(&[connect]);
            let exchange = Peer::exchange_of(&sent).expect("it goes over HTTP");
            let soon = Instant::now() + Duration::from_millis(500);
            peer.outcome(&sent, 0, soon).await.success().expect("the first reply");
            peer.until(soon, |peer| peer.ended(exchange).is_some()).await;
            let data = peer.take_events().iter().filter_map(|event| event.get("data").cloned()).collect();
            let end = peer.ended(exchange).map(|end| end.is_ok());
            scene.close();
            (data, end)
        })
        .await
}

#[tokio::test]
async fn a_stream_is_read_as_it_comes_to_its_end() {
    let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
    let whole = chunk(&format!("{FIRST}\n{EVENT}\n"));
    let open = vec![head.clone(), whole.clone()];
    assert_eq!(read(open.clone(), false).await, (vec![1.into()], None), "it goes on");
    assert_eq!(read(open.clone(), true).await, (vec![1.into()], Some(false)), "it breaks off");
    let ended = [open, vec!["0\r\n\r\n".into()]].concat();
    assert_eq!(read(ended, false).await, (vec![1.into()], Some(true)));
    let (first, second) = EVENT.split_at(9);
    let cut = vec![head, chunk(FIRST), chunk("\n"), chunk(first), chunk(second), chunk("\n"), "0\r\n\r\n".into()];
    assert_eq!(read(cut, false).await, (vec![1.into()], Some(true)), "cut in chunks");
}

#[tokio::test]
async fn a_stream_ends_where_its_length_says_or_with_its_connection() {
    let body = format!("{FIRST}\n{EVENT}\n");
    let sized = vec![format!("{HEAD}Content-Length: {}\r\n\r\n", body.len()), body.clone()];
    assert_eq!(read(sized, false).await, (vec![1.into()], Some(true)));
    let short = vec![format!("{HEAD}Content-Length: {}\r\n\r\n", body.len() + 1), body.clone()];
    assert_eq!(read(short, true).await, (vec![1.into()], Some(false)), "a byte is missing");
    let unsized_body = vec![format!("{HEAD}\r\n"), body];
    assert_eq!(read(unsized_body, true).await, (vec![1.into()], Some(true)));
}

#[tokio::test]
async fn who_keeps_a_connect_outstanding_opens_the_next_stream_when_one_has_ended_and_none_when_it_broke_off() {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let reply = |id: &str| format!("data: {}\n\n", FIRST.replace("\"1\"", &format!("\"{id}\"")));
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            let ended = |id: &str| vec![head.to_owned(), chunk(&reply(id)), "0\r\n\r\n".into()];
            let broken = |id: &str| vec![head.to_owned(), chunk(&reply(id))];
            let (mut target, seen) = serve(vec![(ended("1"), false), (ended("2"), false), (broken("3"), true)]).await;
            target.capabilities.insert(STREAM_CONNECT.into());
            let scene = scene(target);
            let peer = Peer::new(&scene, "a", Transport::EventSource);
            peer.keep_alive();
            peer.until(Instant::now() + Duration::from_secs(2), |peer| !peer.is_live()).await;
            assert!(peer.keeper_end().is_some_and(|why| why.contains("broke off")), "{:?}", peer.keeper_end());
            let seen = seen.borrow();
            assert_eq!(seen.len(), 3);
            assert!(seen.iter().all(|line| line.starts_with("GET /bayeux?message=")), "{seen:?}");
            scene.close();
        })
        .await;
}
