//! What can be seen only from inside: consistency after every operation, and a shard that panics.

use std::net::{IpAddr, Ipv4Addr};

use bayeux_protocol::{DecodeLimits, decode_batch};
use proptest::prelude::*;

use super::*;
use crate::{BrowserId, CloseReason, ConnectionId, Origin};

fn handle(engine: &Engine, connection: u64, batch: &str) -> Answer {
    let origin = Origin {
        browser_upgraded: None,
        connection: ConnectionId(connection),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        carrier: Carrier::Http,
        browser: Some(BrowserId([0; 16])),
        shard: None,
    };
    let batch = decode_batch(batch.as_bytes(), &DecodeLimits::default()).expect("well-formed");
    engine.handle(Time::ZERO, Call { origin, batch })
}

/// A new session's id. It has had its first connect.
fn session(engine: &Engine, connection: u64) -> String {
    const HANDSHAKE: &str =
        r#"{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}"#;
    let frame = handle(engine, connection, HANDSHAKE).frame.expect("a reply");
    let reply = decode_batch(&frame[crate::HEADROOM..], &DecodeLimits::default()).expect("well-formed").remove(0);
    let id = reply.client_id.expect("a session").into_string();
    handle(engine, connection, &connect(&id));
    id
}

fn connect(id: &str) -> String {
    format!(r#"{{"channel":"/meta/connect","connectionType":"long-polling","clientId":"{id}"}}"#)
}

#[test]
fn a_shard_that_panics_costs_itself_alone() {
    let engine = Engine::new(Config::default(), 2, [1; 32]);
    let (lost, kept) = (session(&engine, 0), session(&engine, 1));
    handle(&engine, 0, &format!(r#"{{"channel":"/meta/subscribe","subscription":"/a","clientId":"{lost}"}}"#));
    let held = handle(&engine, 0, &connect(&lost)).held.expect("held");
    assert!(matches!(engine.take(Time::ZERO, held, false, Waker::noop()), Take::Pending));
    let shard = usize::from(held.shard);
    let next = engine.router.inbox(shard).next_position();
    engine.break_shard(shard, Time::ZERO);
    assert!(matches!(engine.take(Time::ZERO, held, false, Waker::noop()), Take::Close(CloseReason::SessionEnded)));
    let reply = handle(&engine, 0, &connect(&lost)).frame.expect("a reply");
    assert!(String::from_utf8_lossy(&reply).contains("402::session_unknown"));
    assert!(handle(&engine, 1, &connect(&kept)).held.is_some(), "the other shard knows nothing of it");
    assert_eq!((engine.stats().shards_replaced, engine.stats().sessions_lost, engine.sessions()), (1, 1, 1));
    assert_eq!(engine.patterns(), 0);
    assert!(engine.router.inbox(shard).next_position() >= next, "numbers go on");
    let id = session(&engine, 0);
    assert!(handle(&engine, 0, &connect(&id)).held.is_some(), "and the shard serves again");
}

proptest! {
    /// In the index if and only if alive; one deadline each; interest covers the index.
    #[test]
    fn a_shard_is_consistent_after_every_operation(operations in prop::collection::vec((0..4_u64, 0..8_u8), 1..80)) {
        let engine = Engine::new(Config::default(), 1, [2; 32]);
        let mut ids: Vec<Option<String>> = vec![None; 4];
        let mut now = 0;
        for (peer, operation) in operations {
            let id = ids[peer as usize].get_or_insert_with(|| session(&engine, peer)).clone();
            let send = |text: String| handle(&engine, peer, &text.replace('$', &id));
            match operation {
                0 | 1 => drop(send(r#"{"channel":"/meta/subscribe","subscription":["/a","/a/*","/**"],"clientId":"$"}"#.into())),
                2 => drop(send(r#"{"channel":"/meta/unsubscribe","subscription":["/a/*"],"clientId":"$"}"#.into())),
                3 => drop(send(r#"{"channel":"/a/b","data":1,"clientId":"$"}"#.into())),
                4 => drop(send(connect(&id))),
                5 => for ticket in send(connect(&id)).lent { engine.confirm(Time::ZERO, ticket) },
                6 => {
                    drop(send(r#"{"channel":"/meta/disconnect","clientId":"$"}"#.into()));
                    ids[peer as usize] = None;
                }
                _ => {
                    now += 4000;
                    engine.pump(0, Time::from_millis(now));
                    ids = vec![None; 4];
                }
            }
            let audit = engine.audit(Time::ZERO).expect("a shard is consistent");
            prop_assert_eq!(audit.memory, engine.memory());
        }
    }
}
