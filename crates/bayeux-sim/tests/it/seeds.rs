use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

use bayeux_sim::{Outcome, check, run};

const SEEDS: u64 = 1000;

/// Runs each seed twice, on all processors; returns what went wrong first, if anything did.
fn sweep(seeds: u64) -> (Vec<Outcome>, Option<Outcome>) {
    let next = AtomicU64::new(0);
    let work = || {
        let mut outcomes = Vec::new();
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds {
                return (outcomes, None);
            }
            match check(seed) {
                Ok(outcome) => outcomes.push(outcome),
                Err(outcome) => {
                    next.store(seeds, Relaxed);
                    return (outcomes, Some(*outcome));
                }
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a seed made the engine panic")).collect()
    });
    let failed = results.iter().find_map(|(_, failed)| failed.clone());
    (results.into_iter().flat_map(|(outcomes, _)| outcomes).collect(), failed)
}

#[test]
#[allow(clippy::print_stdout)] // How much of each is what one wants to read: --nocapture shows it.
fn a_thousand_seeds_break_nothing_and_each_runs_the_same_twice() {
    let (outcomes, failed) = sweep(SEEDS);
    if let Some(Outcome { seed, violation, .. }) = failed {
        let trace = run(seed, true).trace.join("\n");
        let what = violation.expect("it failed");
        panic!("{trace}\nseed {seed}: {what}\nrepeat it with: cargo run -p bayeux-sim -- replay {seed}");
    }
    assert_eq!(outcomes.len() as u64, SEEDS);
    // What they are there for did happen.
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let seen = [
        ("deliveries", sum(|it| it.happened.deliveries)),
        ("expired", sum(|it| it.happened.expired)),
        ("overflowed", sum(|it| it.happened.overflowed)),
        ("refused publishes", sum(|it| it.happened.publishes_refused)),
        ("foreign", sum(|it| it.happened.foreign)),
        ("superseded", sum(|it| it.happened.superseded)),
        ("streams", sum(|it| it.happened.streams)),
        ("beats", sum(|it| it.happened.beats)),
        ("connects beside", sum(|it| it.happened.beside)),
        ("resumed", sum(|it| it.happened.resumed)),
        ("handed on", sum(|it| it.happened.handed_on)),
        ("sent again", sum(|it| it.happened.sent_again)),
        ("missed", sum(|it| it.happened.missed)),
        ("crowded", sum(|it| it.happened.crowded)),
        ("transfers", sum(|it| it.happened.transfers)),
        ("cut writes", sum(|it| it.happened.writes_cut)),
        ("lost sessions", sum(|it| it.happened.sessions_lost)),
        ("panics", sum(|it| it.happened.broken)),
        ("restarts", sum(|it| it.happened.restarts)),
        ("moved to the other node", sum(|it| it.happened.moved)),
        ("crossed", sum(|it| it.happened.crossed)),
        ("repeated", sum(|it| it.happened.repeated)),
        ("partitions", sum(|it| it.happened.partitions)),
        ("lost", sum(|it| it.happened.lost)),
    ];
    println!("{seen:?}");
    for (what, count) in seen {
        assert!(count > 10, "{what}: only {count}");
    }
    let hashes: std::collections::BTreeSet<u64> = outcomes.iter().map(|outcome| outcome.hash).collect();
    assert_eq!(hashes.len() as u64, SEEDS, "two seeds gave the same run");
}
