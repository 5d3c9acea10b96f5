//! The Rust client's core against the engine.

use bayeux_sim::{Paired, pair};

const SEEDS: u64 = 200;

#[test]
#[allow(clippy::print_stdout)] // How much of each is what one wants to read: --nocapture shows it.
fn the_clients_core_keeps_its_promises_against_the_engine() {
    let mut sum = Paired::default();
    for seed in 0..SEEDS {
        let paired = pair(seed).unwrap_or_else(|what| panic!("{what}"));
        sum.received += paired.received;
        sum.published += paired.published;
        sum.cuts += paired.cuts;
        sum.restarts += paired.restarts;
        sum.new_sessions += paired.new_sessions;
        if seed % 20 == 0 {
            assert_eq!(pair(seed).as_ref(), Ok(&paired), "two runs of seed {seed} differ");
        }
    }
    println!("{sum:?}");
    assert!(sum.received > 500 * SEEDS && sum.published > 100 * SEEDS, "little has happened: {sum:?}");
    assert!(
        sum.cuts > 20 * SEEDS && sum.restarts > SEEDS && sum.new_sessions > 5 * SEEDS,
        "little went wrong: {sum:?}"
    );
}
