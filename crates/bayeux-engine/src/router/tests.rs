//! Every interleaving of the concurrent parts, tried out by loom: `RUSTFLAGS="--cfg loom" cargo test --lib loom_`.

use std::{sync::Arc, task::Wake};

use bayeux_protocol::{ChannelName, ChannelRules};
use loom::{
    model,
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Acquire, Release},
    },
    thread,
};

use super::*;
use crate::{Edge, inbox::Position};

/// Tells whether it was fired.
struct Fired(AtomicBool);

impl Wake for Fired {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Release);
    }
}

impl Fired {
    fn new() -> (Arc<Self>, Waker) {
        let fired = Arc::new(Self(AtomicBool::new(false)));
        (fired.clone(), Waker::from(fired))
    }

    fn was(&self) -> bool {
        self.0.load(Acquire)
    }
}

fn delivery() -> Arc<Delivery> {
    let channel = ChannelName::parse("/a", &ChannelRules::default()).expect("it is one");
    Arc::new(Delivery::from_head(&channel, br#"{"channel":"/a","data":1"#))
}

fn pattern() -> Arc<str> {
    Arc::from("/a")
}

/// A router whose inboxes have room for so many deliveries, and pause publishers above `pause` of them.
fn router(shards: usize, room: usize, pause: usize) -> Arc<Router> {
    let weight = delivery().weight();
    Arc::new(Router::new(shards, Keyed::new((1, 2)), room * weight, pause * weight))
}

fn publish(router: &Router) -> Result<ShardSet, NoRoom> {
    publish_within(router, &Memory::new(0, 2))
}

fn publish_within(router: &Router, memory: &Memory) -> Result<ShardSet, NoRoom> {
    let mut wakes = WakeList::default();
    let routed = router.route(&delivery(), memory, &Counters::default(), &mut wakes);
    wakes.fire();
    routed
}

/// Takes everything that an inbox has.
fn drain(router: &Router, shard: usize) -> Vec<Position> {
    let mut wakes = WakeList::default();
    let positions =
        std::iter::from_fn(|| router.inbox(shard).pop_before(Position::END, &mut wakes).map(|entry| entry.position))
            .collect();
    wakes.fire();
    positions
}

/// As a shard subscribes: first the number, then the interest, then the answer.
fn subscribe(router: &Router, shard: usize) -> Position {
    let since = router.inbox(shard).next_position();
    router.interest.add(&pattern(), shard);
    since
}

#[test]
fn loom_a_publish_after_the_subscribe_was_answered_reaches_it() {
    model(|| {
        let router = router(1, 9, 9);
        let answered = Arc::new(AtomicUsize::new(0));
        let subscriber = {
            let (router, answered) = (router.clone(), answered.clone());
            thread::spawn(move || {
                let since = subscribe(&router, 0);
                answered.store(since.0 as usize, Release);
            })
        };
        let since = answered.load(Acquire);
        publish(&router).expect("there is room");
        subscriber.join().expect("it does not panic");
        let position = drain(&router, 0).first().copied();
        assert!(since == 0 || position.is_some_and(|position| position >= Position(since as u64)));
    });
}

#[test]
fn loom_a_last_unsubscribe_takes_nothing_from_others() {
    model(|| {
        let router = router(2, 9, 9);
        subscribe(&router, 0);
        subscribe(&router, 1);
        let leaves = {
            let router = router.clone();
            thread::spawn(move || assert!(!router.interest.remove(&pattern(), 0), "it is not the last of the node"))
        };
        let reached = publish(&router).expect("there is room");
        leaves.join().expect("it does not panic");
        assert!(reached.iter().any(|shard| shard == 1));
        assert_eq!(drain(&router, 1).len(), 1);
        assert_eq!(drain(&router, 0).len(), usize::from(reached.iter().any(|shard| shard == 0)));
        assert!(router.interest.subscribers("/a", 0) == 0 && router.interest.subscribers("/a", 1) == 1);
    });
}

#[test]
fn loom_each_edge_is_told_once_and_in_order() {
    model(|| {
        let router = router(2, 9, 9);
        let told = Arc::new(Mutex::new(Vec::new()));
        let turn = |shard: usize| {
            let (router, told) = (router.clone(), told.clone());
            let tell = move |router: &Router| {
                router.interest.tell(|_, edge| told.lock().expect("nobody panics holding it").push(edge));
            };
            move || {
                subscribe(&router, shard);
                tell(&router);
                router.interest.remove(&pattern(), shard);
                tell(&router);
            }
        };
        let other = thread::spawn(turn(1));
        turn(0)();
        other.join().expect("it does not panic");
        let told = told.lock().expect("nobody panics holding it");
        assert!(!told.is_empty() && told.len().is_multiple_of(2), "{told:?}");
        assert!(told.chunks(2).all(|edges| edges == [Edge::Up, Edge::Down]), "{told:?}");
    });
}

#[test]
fn loom_a_publish_enters_all_inboxes_or_none_and_leaks_no_room() {
    model(|| {
        let router = router(2, 1, 9);
        subscribe(&router, 0);
        subscribe(&router, 1);
        // The second inbox alone is full for a while: what was taken in the first must be given back.
        let room = router.inbox(1).reserve(delivery().weight()).expect("there is room");
        let memory = Arc::new(Memory::new(0, 2));
        let publisher = {
            let (router, memory) = (router.clone(), memory.clone());
            thread::spawn(move || usize::from(publish_within(&router, &memory).is_ok()))
        };
        router.inbox(1).give_back(room, &mut WakeList::default());
        let mine = publish_within(&router, &memory).is_ok();
        let accepted = usize::from(mine) + publisher.join().expect("it does not panic");
        assert_eq!(memory.reserved(), 2 * accepted * ENTRY_BYTES);
        assert!(accepted <= 1);
        assert_eq!([drain(&router, 0).len(), drain(&router, 1).len()], [accepted; 2]);
        assert_eq!([router.inbox(0).bytes(), router.inbox(1).bytes()], [0; 2]);
    });
}

#[test]
fn loom_a_publisher_that_pauses_is_woken_when_the_inbox_has_drained() {
    model(|| {
        let router = router(1, 9, 0);
        subscribe(&router, 0);
        let published = publish(&router).expect("there is room");
        let pump = {
            let router = router.clone();
            thread::spawn(move || drop(drain(&router, 0)))
        };
        let (fired, waker) = Fired::new();
        let paused = router.pause(published, &waker);
        pump.join().expect("it does not panic");
        assert!(!paused || fired.was(), "it waits for ever");
        assert!(!router.pause(published, &waker));
    });
}

#[test]
fn loom_a_pumper_that_parks_is_woken_by_what_it_did_not_see() {
    model(|| {
        let router = router(1, 9, 9);
        subscribe(&router, 0);
        let publisher = {
            let router = router.clone();
            thread::spawn(move || drop(publish(&router)))
        };
        let (fired, waker) = Fired::new();
        drop(router.park_pumper(0, &waker));
        let seen = drain(&router, 0).len();
        publisher.join().expect("it does not panic");
        assert!(seen == 1 || fired.was(), "it sleeps for ever");
    });
}
