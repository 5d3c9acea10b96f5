//! The checker finds each kind of breach where it is injected, and nothing in what is fine.

use super::*;
use crate::builtin::model::history::{Gap, Tick};

/// Client 0 publishes 1 to 6 to `/x`; clients 1 and 2 are subscribed throughout and get all of them.
fn fine() -> History {
    let mut history = History::default();
    for client in [1, 2] {
        request(&mut history, client, What::Subscribe("/x".into()), 10);
    }
    for number in 1..=6 {
        publish(&mut history, number, 100 * number);
        for client in [1, 2] {
            arrive(&mut history, client, number, 100 * number + 20);
        }
    }
    history
}

fn request(history: &mut History, client: usize, what: What, sent: Tick) {
    history.requests.push(Request { client, what, sent, reply: Reply::Granted(sent + 10) });
}

fn publish(history: &mut History, number: u64, sent: Tick) {
    request(history, 0, What::Publish { channel: "/x".into(), number }, sent);
}

fn arrive(history: &mut History, client: usize, number: u64, at: Tick) {
    history.arrivals.push(Arrival { client, channel: "/x".into(), number, at, asked: None });
}

fn channel() -> String {
    "/x".into()
}

#[test]
fn nothing_is_found_in_what_is_fine() {
    assert_eq!(deliveries(&fine()), []);
    assert_eq!(order(&fine()), []);
}

#[test]
fn a_loss_is_found() {
    let mut history = fine();
    history.arrivals.retain(|arrival| (arrival.client, arrival.number) != (2, 4));
    assert_eq!(deliveries(&history), [Breach::Lost { client: 2, channel: channel(), number: 4 }]);
}

#[test]
fn a_duplicate_is_found_once_however_many_copies_come() {
    let mut history = fine();
    arrive(&mut history, 1, 3, 900);
    arrive(&mut history, 1, 3, 901);
    assert_eq!(deliveries(&history), [Breach::Doubled { client: 1, channel: channel(), number: 3 }]);
}

#[test]
fn a_swap_is_found_on_a_websocket_and_within_a_response_but_not_between_parallel_ones() {
    let swapped = |asked: [Option<Tick>; 2]| {
        let mut history = fine();
        history.arrivals.retain(|arrival| arrival.client == 2 || arrival.number > 2);
        for (number, at, asked) in [(2, 50, asked[0]), (1, 60, asked[1])] {
            history.arrivals.insert(0, Arrival { client: 1, channel: channel(), number, at, asked });
        }
        history.arrivals[..2].reverse();
        order(&history).len()
    };
    assert_eq!(swapped([None, None]), 1);
    assert_eq!(swapped([Some(40), Some(40)]), 1, "one response");
    assert_eq!(swapped([Some(40), Some(55)]), 1, "one after the other");
    assert_eq!(swapped([Some(40), Some(45)]), 0, "side by side");
}

#[test]
fn a_leak_after_an_unsubscribe_is_found_and_what_races_with_it_is_not() {
    let leak = |unsubscribed: Tick| {
        let mut history = fine();
        request(&mut history, 1, What::Unsubscribe(channel()), unsubscribed);
        deliveries(&history)
    };
    assert_eq!(leak(580), [Breach::Leaked { client: 1, channel: channel(), number: 6 }]);
    assert_eq!(leak(595), [], "the publish was sent before the unsubscribe was answered");
    assert_eq!(leak(700), []);
}

#[test]
fn what_races_with_an_unsubscribe_may_also_be_missing() {
    let mut history = fine();
    request(&mut history, 1, What::Unsubscribe(channel()), 595);
    history.arrivals.retain(|arrival| (arrival.client, arrival.number) != (1, 6));
    assert_eq!(deliveries(&history), []);
    history.arrivals.retain(|arrival| (arrival.client, arrival.number) != (2, 6));
    assert_eq!(deliveries(&history), [Breach::Lost { client: 2, channel: channel(), number: 6 }]);
}

#[test]
fn what_was_acknowledged_before_an_unsubscribe_is_owed() {
    let mut history = fine();
    request(&mut history, 1, What::Unsubscribe(channel()), 615);
    history.arrivals.retain(|arrival| (arrival.client, arrival.number) != (1, 6));
    assert_eq!(deliveries(&history), [Breach::Lost { client: 1, channel: channel(), number: 6 }]);
}

#[test]
fn a_subscription_that_is_renewed_after_its_end_counts_again() {
    let mut history = fine();
    request(&mut history, 1, What::Unsubscribe(channel()), 520);
    request(&mut history, 1, What::Subscribe(channel()), 540);
    assert_eq!(deliveries(&history), []);
    history.arrivals.retain(|arrival| (arrival.client, arrival.number) != (1, 6));
    assert_eq!(deliveries(&history), [Breach::Lost { client: 1, channel: channel(), number: 6 }]);
}

#[test]
fn an_event_after_a_disconnect_and_one_that_nobody_published_are_found() {
    let mut history = fine();
    request(&mut history, 2, What::Disconnect, 530);
    arrive(&mut history, 1, 77, 900);
    assert_eq!(
        deliveries(&history),
        [
            Breach::Invented { client: 1, channel: channel(), number: 77 },
            Breach::Leaked { client: 2, channel: channel(), number: 6 },
        ]
    );
}

#[test]
fn a_loss_in_a_gap_is_excused_and_one_outside_of_it_is_not() {
    let mut history = fine();
    history.gaps.push(Gap { client: 1, from: 295, to: 350 });
    history.arrivals.retain(|arrival| arrival.client != 1 || !matches!(arrival.number, 3 | 5));
    assert_eq!(deliveries(&history), [Breach::Lost { client: 1, channel: channel(), number: 5 }]);
}

#[test]
fn what_was_refused_must_not_come() {
    let mut history = fine();
    let refused = What::Publish { channel: channel(), number: 9 };
    history.requests.push(Request { client: 0, what: refused, sent: 800, reply: Reply::Refused });
    arrive(&mut history, 1, 9, 820);
    assert_eq!(deliveries(&history), [Breach::Leaked { client: 1, channel: channel(), number: 9 }]);
}

#[test]
fn the_reference_matcher_knows_one_star_two_stars_and_names() {
    for (pattern, channel, fits) in [
        ("/a/*", "/a/b", true),
        ("/a/*", "/a", false),
        ("/a/*", "/a/b/c", false),
        ("/a/*", "/ab", false),
        ("/a/**", "/a/b/c", true),
        ("/a/**", "/a", false),
        ("/a/**", "/ab/c", false),
        ("/**", "/a", true),
        ("/*", "/a/b", false),
        ("/a", "/a", true),
        ("/a", "/A", false),
    ] {
        assert_eq!(matches(pattern, channel), fits, "{pattern} {channel}");
    }
}
