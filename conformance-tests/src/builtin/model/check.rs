//! What must have come to whom. Requests take time, so between the moment a request is sent and that of its reply nobody knows on
//! which side of it an event fell; what lies clearly before or after is judged, and nothing else.

use super::history::{Arrival, Breach, History, Reply, Request, What};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a pattern, or a name, matches a channel: the reference that servers are compared with.
pub(crate) fn matches(pattern: &str, channel: &str) -> bool {
    if let Some(parent) = pattern.strip_suffix("/**") {
        return channel.strip_prefix(parent).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'));
    }
    if let Some(parent) = pattern.strip_suffix("/*") {
        let rest = channel.strip_prefix(parent).and_then(|rest| rest.strip_prefix('/'));
        return rest.is_some_and(|segment| !segment.is_empty() && !segment.contains('/'));
    }
    pattern == channel
}

/// What was lost, doubled, leaked or invented.
pub(super) fn deliveries(history: &History) -> Vec<Breach> {
    let published = publishes(history);
    let clients: BTreeSet<usize> = history.requests.iter().map(|request| request.client).collect();
    let mut breaches = Vec::new();
    for client in clients {
        let mine: Vec<&Request> = history.requests.iter().filter(|request| request.client == client).collect();
        let mut got: BTreeMap<u64, usize> = BTreeMap::new();
        for arrival in history.arrivals.iter().filter(|arrival| arrival.client == client) {
            let (channel, number) = (arrival.channel.clone(), arrival.number);
            let count = got.entry(number).or_default();
            *count += 1;
            match published.get(&number) {
                Some((name, publish)) if *name == channel => {
                    if *count == 2 {
                        breaches.push(Breach::Doubled { client, channel, number });
                    } else if publish.reply == Reply::Refused || !may_have(&mine, &channel, publish) {
                        breaches.push(Breach::Leaked { client, channel, number });
                    }
                }
                _ => breaches.push(Breach::Invented { client, channel, number }),
            }
        }
        for (number, (channel, publish)) in &published {
            if !got.contains_key(number) && must_have(&mine, channel, publish) && !excused(history, client, publish) {
                breaches.push(Breach::Lost { client, channel: (*channel).to_owned(), number: *number });
            }
        }
    }
    breaches
}

/// What came in another order than that in which one publisher sent it to one channel, where an order can be seen at all: within a
/// response, on a WebSocket, and if one response was there before the request of the other was sent.
pub(super) fn order(history: &History) -> Vec<Breach> {
    let mut places = BTreeMap::new();
    for (place, request) in history.requests.iter().enumerate() {
        if let What::Publish { number, .. } = request.what {
            places.insert(number, (request.client, place));
        }
    }
    let mut sequences: BTreeMap<(usize, usize, &str), Vec<&Arrival>> = BTreeMap::new();
    for arrival in &history.arrivals {
        if let Some((publisher, _)) = places.get(&arrival.number) {
            sequences.entry((arrival.client, *publisher, &arrival.channel)).or_default().push(arrival);
        }
    }
    let mut breaches = Vec::new();
    for ((client, _, channel), arrivals) in sequences {
        let place = |arrival: &Arrival| places[&arrival.number].1;
        // The latest of what came so far is enough: whatever is swapped with an earlier one is swapped with it too.
        let mut latest: Option<&Arrival> = None;
        for arrival in arrivals {
            match latest {
                Some(before) if place(before) > place(arrival) => {
                    if comparable(before, arrival) {
                        let (first, second) = (arrival.number, before.number);
                        breaches.push(Breach::Swapped { client, channel: channel.to_owned(), first, second });
                    }
                }
                _ => latest = Some(arrival),
            }
        }
    }
    breaches
}

fn comparable(before: &Arrival, after: &Arrival) -> bool {
    match (before.asked, after.asked) {
        (None, None) => true,
        (a, Some(asked)) => a == after.asked || before.at < asked,
        (Some(_), None) => false,
    }
}

fn publishes(history: &History) -> BTreeMap<u64, (&str, &Request)> {
    let publish = |request: &'_ Request| match &request.what {
        What::Publish { number, .. } => Some(*number),
        _ => None,
    };
    history
        .requests
        .iter()
        .filter_map(|request| match &request.what {
            What::Publish { channel, .. } => Some((publish(request)?, (channel.as_str(), request))),
            _ => None,
        })
        .collect()
}

/// Some subscription was granted before the publish was sent, and no request that ends it was sent before the publish was
/// acknowledged. Nothing is owed to who left.
fn must_have(mine: &[&Request], channel: &str, publish: &Request) -> bool {
    matches!(publish.reply, Reply::Granted(_))
        && !mine.iter().any(|request| request.what == What::Disconnect)
        && mine.iter().any(|subscribe| {
            let What::Subscribe(pattern) = &subscribe.what else { return false };
            matches(pattern, channel)
                && subscribe.done() < publish.sent
                && !ends_of(mine, pattern).any(|end| {
                    end.reply != Reply::Refused && end.done() >= subscribe.sent && end.sent <= publish.done()
                })
        })
}

/// Some subscription may have been in force while the publish was processed.
fn may_have(mine: &[&Request], channel: &str, publish: &Request) -> bool {
    let left = mine.iter().any(|request| request.what == What::Disconnect && request.done() < publish.sent);
    !left
        && mine.iter().any(|subscribe| {
            let What::Subscribe(pattern) = &subscribe.what else { return false };
            matches(pattern, channel)
                && subscribe.reply != Reply::Refused
                && subscribe.sent < publish.done()
                && !ends_of(mine, pattern).any(|end| end.sent > subscribe.done() && end.done() < publish.sent)
        })
}

fn ends_of<'a>(mine: &'a [&'a Request], pattern: &'a str) -> impl Iterator<Item = &'a &'a Request> {
    mine.iter().filter(move |request| matches!(&request.what, What::Unsubscribe(ended) if ended == pattern))
}

fn excused(history: &History, client: usize, publish: &Request) -> bool {
    history.gaps.iter().any(|gap| gap.client == client && publish.done() >= gap.from && publish.sent <= gap.to)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
