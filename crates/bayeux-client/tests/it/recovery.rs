//! Servers that go and come, connections that are cut.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bayeux_client::{Client, Interruption, Transports};
use tokio::sync::Semaphore;

use super::{builder, number_of, relay::Relay, server, server::Server, soon};

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

/// With ack, each message comes once and in order, wherever the connection is cut: at any byte of the server, that of a
/// handshake included.
async fn cuts(transports: Transports) {
    /// What a session has at most on the way; the server ends one with more than 1,000.
    const ON_THE_WAY: usize = 200;
    let wanted = number_of("BAYEUX_CUTS", 20);
    let seed = number_of("BAYEUX_SEED", 7);
    let mut options = server::options();
    options.engine.max_interval = Duration::from_secs(60);
    let server = Server::start(options);
    let relay = Relay::cutting(server.address, 6000, seed).await;
    let reader = Client::builder(&relay.url())
        .transports(transports)
        .acknowledge(true)
        .backoff(Duration::from_millis(5), Duration::from_millis(20));
    let reader = reader.start().expect("it starts");
    let mut subscription = soon(reader.subscribe("/a")).await.expect("it is confirmed");
    let writer: Client = soon(builder(&server.url()).connect()).await.expect("it connects");
    let room = Arc::new(Semaphore::new(ON_THE_WAY));
    let (writers_room, cutter) = (room.clone(), relay.clone());
    let writing = tokio::spawn(async move {
        let mut written = 0_u64;
        while (cutter.cuts() as u64) < wanted || written < ON_THE_WAY as u64 {
            writers_room.acquire().await.expect("it is open").forget();
            writer.publish("/a", &written).await.expect("it is published");
            written += 1;
        }
        writer.publish("/a", &Option::<u64>::None).await.expect("it is published");
        written
    });
    let mut read = 0;
    while let Some(number) = soon(subscription.next())
        .await
        .expect("it goes on")
        .unwrap_or_else(|interruption| panic!("{interruption} after {read}, seed {seed}"))
        .parse::<Option<u64>>()
        .expect("it is a number")
    {
        assert_eq!(number, read, "once, and in order; seed {seed}");
        read += 1;
        room.add_permits(1);
    }
    assert_eq!(soon(writing).await.expect("all is published"), read, "seed {seed}");
    println!("{} cuts, {read} messages by {transports:?}: none lost, none repeated, seed {seed}", relay.cuts());
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
