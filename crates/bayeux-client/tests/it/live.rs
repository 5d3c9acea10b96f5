//! From handshake to disconnect.

use std::{sync::Arc, time::Instant};

use bayeux_client::{ApplicationFault, Client, ConnectionType, Error, Json, Message, State, Transports};
use tokio::sync::Semaphore;

use super::{builder, number_of, server, server::Server, soon, until};

async fn exchange(client: &Client, server: &Server) {
    let mut all = soon(client.subscribe("/room/*")).await.expect("it is confirmed");
    let mut one = soon(client.subscribe("/room/one")).await.expect("it is confirmed");
    for number in 0..50 {
        soon(client.publish("/room/one", &number)).await.expect("it is published");
    }
    let batch = (50..100).map(|number| ("/room/one", Json::from_serialize(&number).expect("it is JSON")));
    let outcomes = soon(client.publish_batch(batch)).await.expect("the channels are right");
    assert!(outcomes.len() == 50 && outcomes.iter().all(Result::is_ok));
    for subscription in [&mut all, &mut one] {
        for number in 0..100 {
            let message = soon(subscription.next()).await.expect("it goes on").expect("nothing is missing");
            assert_eq!((message.channel.as_str(), message.parse::<u32>()), ("/room/one", Ok(number)));
        }
    }
    soon(one.unsubscribe()).await.expect("it is confirmed");
    soon(client.publish("/room/one", "the end")).await.expect("it is published");
    let message = soon(all.next()).await.expect("it goes on").expect("nothing is missing");
    assert_eq!(message.data.as_str(), "\"the end\"");
    soon(client.disconnect()).await.expect("it disconnects");
    assert!(soon(all.next()).await.expect("it is told").expect_err("it is the end").is_end());
    assert!(soon(all.next()).await.is_none());
    assert_eq!(server.bayeux.engine().sessions(), 0);
    let refused = client.publish("/room/one", &1).await;
    assert!(matches!(refused, Err(Error::Application { fault: ApplicationFault::Stopped(_), .. })));
}

#[tokio::test]
async fn bx_op_3_from_handshake_to_disconnect_by_long_polling() {
    let server = Server::start(server::options());
    let client = builder(&server.url()).transports(Transports::LongPolling);
    let client = soon(client.connect()).await.expect("it connects");
    assert_eq!(client.state(), Some(State::Connected { transport: ConnectionType::LongPolling }));
    exchange(&client, &server).await;
}

#[tokio::test]
async fn bx_ws_1_a_session_moves_up_to_a_websocket_with_its_cookie() {
    let server = Server::start(server::options());
    let client = soon(builder(&server.url()).connect()).await.expect("it connects");
    until(&client, |state| *state == State::Connected { transport: ConnectionType::WebSocket }).await;
    assert_eq!(server.bayeux.engine().sessions(), 1, "it is the same session");
    exchange(&client, &server).await;
}

#[tokio::test]
async fn bx_ws_3_from_handshake_to_disconnect_by_websocket() {
    let server = Server::start(server::options());
    let client = builder(&server.url()).transports(Transports::WebSocketFirst);
    let client = soon(client.connect()).await.expect("it connects");
    assert_eq!(client.state(), Some(State::Connected { transport: ConnectionType::WebSocket }));
    exchange(&client, &server).await;
}

/// A hundred thousand in `cargo xtask soak client`. No more are on their way than a server keeps for a reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_dl_4_many_messages_over_each_transport() {
    const BATCH: u32 = 100;
    let messages = number_of("BAYEUX_MESSAGES", 3000);
    for transports in
        [Transports::LongPolling, Transports::WebSocketFirst, Transports::EventSource, Transports::XhrStreaming]
    {
        let server = Server::start(server::options());
        let client = soon(builder(&server.url()).transports(transports).connect()).await.expect("it connects");
        let mut subscription = soon(client.subscribe("/a")).await.expect("it is confirmed");
        let room = Arc::new(Semaphore::new(800));
        let (writers_room, writer) = (room.clone(), client.clone());
        let begin = Instant::now();
        let writing = tokio::spawn(async move {
            for first in (0..messages).step_by(BATCH as usize) {
                writers_room.acquire_many(BATCH).await.expect("it is open").forget();
                let batch = (first..first + u64::from(BATCH))
                    .map(|number| ("/a", Json::from_serialize(&number).expect("it is JSON")));
                let outcomes = writer.publish_batch(batch).await.expect("the channel is right");
                assert!(outcomes.iter().all(Result::is_ok));
            }
        });
        for number in 0..messages {
            let message = soon(subscription.next()).await.expect("it goes on").expect("nothing is missing");
            assert_eq!(message.parse::<u64>(), Ok(number), "by {transports:?}");
            room.add_permits(1);
        }
        soon(writing).await.expect("all is published");
        println!(
            "{messages} messages by {transports:?} in {:.1} s: none lost, none repeated, in order",
            begin.elapsed().as_secs_f64()
        );
        soon(client.disconnect()).await.expect("it disconnects");
    }
}

#[tokio::test]
async fn bx_st_2_from_handshake_to_disconnect_by_streams() {
    for (transports, transport) in [
        (Transports::EventSource, ConnectionType::EventSource),
        (Transports::XhrStreaming, ConnectionType::XhrStreaming),
    ] {
        for ack in [false, true] {
            let mut options = server::options();
            // Each stream of lines is short, so that the client opens one after the other.
            options.engine.max_stream_bytes = 2000;
            let server = Server::start(options);
            let client = builder(&server.url()).transports(transports).acknowledge(ack);
            let client = soon(client.connect()).await.expect("it connects");
            assert_eq!(client.state(), Some(State::Connected { transport: transport.clone() }));
            exchange(&client, &server).await;
            let streams = server.bayeux.engine().stats().streams_opened;
            // How many depends on how much came at a time; all of it is more than one of lines may carry.
            match transports {
                Transports::XhrStreaming => assert!((2..100).contains(&streams), "{streams}"),
                _ => assert_eq!(streams, 1),
            }
        }
    }
}

#[test]
fn it_runs_in_the_runtime_of_actix() {
    let server = Server::start(server::options());
    actix_rt::System::new().block_on(async {
        let client = soon(builder(&server.url()).connect()).await.expect("it connects");
        exchange(&client, &server).await;
    });
}

#[tokio::test]
async fn bx_dc_4_a_client_whose_handles_are_dropped_disconnects() {
    let server = Server::start(server::options());
    let client = soon(builder(&server.url()).connect()).await.expect("it connects");
    let subscription = soon(client.subscribe("/a")).await.expect("it is confirmed");
    drop(client);
    assert_eq!(server.bayeux.engine().sessions(), 1, "a subscription keeps it");
    drop(subscription);
    soon(async {
        while server.bayeux.engine().sessions() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_the_application_does_wrong_is_told_at_once() {
    let server = Server::start(server::options());
    let client = soon(builder(&server.url()).connect()).await.expect("it connects");
    for (outcome, text) in [
        (client.publish("/a/*", &1).await, "publishing to /a/*: "),
        (client.publish("/meta/connect", &1).await, "publishing to /meta/connect: this channel is not for that"),
        (client.subscribe("a").await.map(drop), "subscribing to a: "),
        (client.subscribe("/meta/*").await.map(drop), "subscribing to /meta/*: this channel is not for that"),
        (client.call::<_, ()>("/a", &1).await, "calling /a: this channel is not for that"),
        (builder("ftp://x").start().map(drop), "making the client: "),
        (builder("http://x").header("a b", "c").start().map(drop), "making the client: the header \"a b\""),
    ] {
        let error = outcome.expect_err(text).to_string();
        assert!(error.starts_with(text), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_of_the_network() {
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port").local_addr().expect("it is bound");
    let client = builder(&format!("http://{nobody}/bayeux")).connect_timeout(std::time::Duration::from_millis(300));
    let error = soon(client.connect()).await.expect_err("nobody is there");
    assert!(matches!(error, Error::Network { .. }) && error.to_string().contains("refused"), "{error}");
}

/// Counts what it sees, and leaves a mark.
#[derive(Debug)]
struct Counting(tokio::sync::mpsc::UnboundedSender<(&'static str, Option<Box<str>>)>);

impl bayeux_client::Extension for Counting {
    fn outgoing(&mut self, message: &mut Message) {
        bayeux_client::set_ext(message, "mark", &true.into());
        self.0.send(("out", message.channel.clone())).expect("the test listens");
    }

    fn incoming(&mut self, message: &mut Message) {
        self.0.send(("in", message.channel.clone())).expect("the test listens");
    }
}

#[tokio::test]
async fn bx_fld_13_an_extension_sees_every_message() {
    let server = Server::start(server::options());
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let client = builder(&server.url()).transports(Transports::LongPolling).extension(Counting(sender));
    let client = soon(client.connect()).await.expect("it connects");
    let mut subscription = soon(client.subscribe("/a")).await.expect("it is confirmed");
    soon(client.publish("/a", &1)).await.expect("it is published");
    soon(subscription.next()).await.expect("it comes").expect("nothing is missing");
    soon(client.disconnect()).await.expect("it disconnects");
    let mut all = Vec::new();
    while let Ok(one) = seen.try_recv() {
        all.push(one);
    }
    for channel in ["/meta/handshake", "/meta/connect", "/meta/subscribe", "/a", "/meta/disconnect"] {
        for way in ["out", "in"] {
            assert!(all.contains(&(way, Some(channel.into()))), "{way} {channel}");
        }
    }
}
