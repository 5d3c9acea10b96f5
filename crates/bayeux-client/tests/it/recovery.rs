//! Servers that go and come, connections that are cut.

use std::{collections::BTreeSet, time::Instant};

use bayeux_client::{Client, Interruption, Transports};

use super::{builder, relay::Relay, server, server::Server, soon};

/// A restart: what is published meanwhile waits, subscriptions come back before it is sent, and nobody is stormed.
async fn restart(transports: Transports) {
    let server = Server::start(server::options());
    let relay = Relay::to(server.address).await;
    let client = soon(builder(&relay.url()).transports(transports).connect()).await.expect("it connects");
    let mut subscription = soon(client.subscribe("/a")).await.expect("it is confirmed");
    soon(client.publish("/a", &1)).await.expect("it is published");
    assert_eq!(soon(subscription.next()).await.expect("it comes").expect("nothing is missing").data.as_str(), "1");

    let mut accepted = relay.accepted();
    let before = *accepted.borrow_and_update();
    relay.turn(None);
    drop(server);
    let begin = Instant::now();
    let (attempts, _) = soon(async {
        let state = super::until(&client, |state| matches!(state, bayeux_client::State::Retrying { .. })).await;
        let seen = *accepted.wait_for(|accepted| *accepted >= before + 8).await.expect("the relay lives");
        (seen - before, state)
    })
    .await;
    let rate = attempts as f64 / begin.elapsed().as_secs_f64();
    assert!(rate <= 10.0, "{rate:.1} attempts a second");
    let waiting = client.clone();
    let published = tokio::spawn(async move { waiting.publish("/a", &2).await });

    let server = Server::start(server::options());
    relay.turn(Some(server.address));
    assert_eq!(soon(subscription.next()).await.expect("it goes on"), Err(Interruption::NewSession));
    assert_eq!(soon(subscription.next()).await.expect("it comes").expect("nothing is missing").data.as_str(), "2");
    soon(published).await.expect("it ends").expect("it is published");
    soon(client.disconnect()).await.expect("it disconnects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_cli_4_a_restart_in_mid_traffic_by_long_polling() {
    restart(Transports::LongPolling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_cli_4_a_restart_in_mid_traffic_by_websocket() {
    restart(Transports::WebSocketFirst).await;
}

/// With ack, each message comes once and in order, however often the connection is cut.
async fn cuts(transports: Transports) {
    const MESSAGES: u32 = 400;
    let server = Server::start(server::options());
    let relay = Relay::to(server.address).await;
    let reader = builder(&relay.url()).transports(transports).acknowledge(true);
    let reader = soon(reader.connect()).await.expect("it connects");
    let mut subscription = soon(reader.subscribe("/a")).await.expect("it is confirmed");
    let writer: Client = soon(builder(&server.url()).connect()).await.expect("it connects");
    let writing = tokio::spawn(async move {
        for number in 0..MESSAGES {
            writer.publish("/a", &number).await.expect("it is published");
        }
    });
    let mut cuts = BTreeSet::new();
    for number in 0..MESSAGES {
        let message = soon(subscription.next()).await.expect("it goes on").expect("nothing is missing");
        assert_eq!(message.parse::<u32>(), Ok(number), "once, and in order");
        if number % 20 == 7 && cuts.insert(number) {
            relay.cut();
        }
    }
    assert_eq!(cuts.len(), 20);
    soon(writing).await.expect("all is published");
    soon(reader.disconnect()).await.expect("it disconnects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_ack_3_with_ack_nothing_is_lost_or_repeated_by_long_polling() {
    cuts(Transports::LongPolling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_ack_3_with_ack_nothing_is_lost_or_repeated_by_websocket() {
    cuts(Transports::MoveUp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_ack_3_with_ack_nothing_is_lost_or_repeated_by_streams() {
    cuts(Transports::EventSource).await;
    cuts(Transports::XhrStreaming).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_cli_4_a_restart_in_mid_traffic_by_streams() {
    restart(Transports::EventSource).await;
    restart(Transports::XhrStreaming).await;
}
