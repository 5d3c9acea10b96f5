//! Subscribers that are too slow.

use bayeux_client::{Client, Interruption, Overflow, SubscribeOptions, Subscription};

use super::{builder, server, server::Server, soon};

const MESSAGES: u32 = 20;

/// A subscription with room for five messages, and one that has seen them all.
async fn filled(overflow: Overflow) -> (Server, Client, Subscription) {
    let server = Server::start(server::options());
    let client = soon(builder(&server.url()).connect()).await.expect("it connects");
    let writer = soon(builder(&server.url()).connect()).await.expect("it connects");
    let options = SubscribeOptions { overflow, max_messages: 5, ..SubscribeOptions::default() };
    let slow = soon(client.subscribe_with("/a", options)).await.expect("it is confirmed");
    let mut witness = soon(writer.subscribe("/a")).await.expect("it is confirmed");
    for number in 0..MESSAGES {
        soon(writer.publish("/a", &number)).await.expect("it is published");
    }
    for _ in 0..MESSAGES {
        soon(witness.next()).await.expect("it comes").expect("nothing is missing");
    }
    soon(writer.disconnect()).await.expect("it disconnects");
    (server, client, slow)
}

async fn next(subscription: &mut Subscription) -> Result<u32, Interruption> {
    soon(subscription.next()).await.expect("it goes on").map(|message| message.parse().expect("it is a number"))
}

#[tokio::test]
async fn a_subscriber_that_is_waited_for_gets_everything() {
    let (_server, client, mut slow) = filled(Overflow::Block).await;
    for number in 0..MESSAGES {
        assert_eq!(next(&mut slow).await, Ok(number));
    }
    soon(client.disconnect()).await.expect("it disconnects");
}

#[tokio::test]
async fn a_client_that_waits_for_a_subscriber_can_still_be_closed() {
    let (server, client, slow) = filled(Overflow::Block).await;
    soon(client.disconnect()).await.expect("it disconnects");
    assert_eq!(server.bayeux.engine().sessions(), 0);
    drop(slow);
}

#[tokio::test]
async fn of_a_subscriber_that_wants_the_newest_the_oldest_are_dropped_and_counted() {
    let (_server, client, mut slow) = filled(Overflow::DropOldest).await;
    let mut seen = 0;
    let mut dropped = 0;
    while seen + dropped < u64::from(MESSAGES) {
        match next(&mut slow).await {
            Ok(number) => {
                assert_eq!(u64::from(number), seen + dropped, "what is missing is counted where it is missing");
                seen += 1;
            }
            Err(Interruption::Dropped(count)) => dropped += count,
            Err(other) => panic!("{other}"),
        }
    }
    soon(client.disconnect()).await.expect("it disconnects");
}

#[tokio::test]
async fn a_subscriber_that_must_not_miss_anything_is_ended() {
    let (_server, client, mut slow) = filled(Overflow::End).await;
    for number in 0..5 {
        assert_eq!(next(&mut slow).await, Ok(number));
    }
    assert_eq!(next(&mut slow).await, Err(Interruption::Overflowed));
    assert!(soon(slow.next()).await.is_none());
    soon(client.disconnect()).await.expect("it disconnects");
}
