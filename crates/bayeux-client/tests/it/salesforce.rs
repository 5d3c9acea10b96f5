//! Against a server that behaves as Salesforce documents it: that of the example.

use bayeux_client::{Interruption, MemoryStore, Replay, ReplayFrom, Subscription, Transports};
use serde_json::{Value, json};

use super::{builder, org::Org, soon};

const CHANNEL: &str = "/event/Order__e";

async fn read(events: &mut Subscription) -> (i64, Value) {
    let event = soon(events.next()).await.expect("it goes on").expect("nothing is missing");
    let data: Value = event.parse().expect("it is JSON");
    (event.replay_id().expect("it has a number"), data["payload"].clone())
}

#[actix_rt::test]
async fn events_come_once_and_in_order_while_sessions_are_forgotten_and_tokens_revoked() {
    let org = Org::start().expect("a free port");
    let tokens = org.clone();
    let client = builder(&org.url())
        .transports(Transports::LongPolling)
        .token(move || std::future::ready(Ok::<_, std::io::Error>(tokens.token())))
        .extension(Replay::new(MemoryStore::default()).otherwise(ReplayFrom::Oldest));
    org.publish(CHANNEL, &json!(0));
    let client = soon(client.connect()).await.expect("it connects");
    let mut events = soon(client.subscribe(CHANNEL)).await.expect("it is confirmed");
    assert_eq!(read(&mut events).await, (3, json!(0)));
    for number in 1..60 {
        match number % 20 {
            5 => org.forget_sessions(),
            10 => org.revoke_tokens(),
            15 => {
                org.revoke_tokens();
                org.forget_sessions();
            }
            _ => {}
        }
        org.publish(CHANNEL, &json!(number));
        assert_eq!(read(&mut events).await, (3 * (number + 1), json!(number)));
    }
    soon(client.disconnect()).await.expect("it ends");
}

#[actix_rt::test]
async fn what_is_not_kept_any_more_is_told_and_the_rest_comes() {
    let org = Org::start().expect("a free port");
    let (tokens, mut store) = (org.clone(), MemoryStore::default());
    bayeux_client::ReplayStore::put(&mut store, CHANNEL, 30);
    let client = builder(&org.url())
        .transports(Transports::LongPolling)
        .token(move || std::future::ready(Ok::<_, std::io::Error>(tokens.token())))
        .extension(Replay::new(store).otherwise(ReplayFrom::Oldest));
    // A hundred are kept: from the 51st on.
    (1..=150).for_each(|number| org.publish(CHANNEL, &json!(number)));
    let client = soon(client.connect()).await.expect("it connects");
    let mut events = soon(client.subscribe(CHANNEL)).await.expect("it is confirmed");
    assert_eq!(soon(events.next()).await.expect("it goes on"), Err(Interruption::NotKept));
    for number in 51..=150 {
        assert_eq!(read(&mut events).await, (3 * number, json!(number)));
    }
}
