//! Memory that was freed goes back to the system also when nothing happens any more.
//!
//! mimalloc keeps what was freed for a while, in case it is needed again, and looks after that while only as more is allocated and
//! freed. Once everybody has left nobody does, and what a crowd took would stay until somebody comes. Each thread has pages of its
//! own, so this runs on each worker's.

use std::{cell::Cell, hint::black_box, time::Duration};

use actix_rt::time::sleep;

/// How often it is made to look.
const EVERY: Duration = Duration::from_secs(5);
/// Each thousandth allocation of more than 1 KiB makes an empty page older; at sixteen it goes; pages of larger blocks age faster. So
/// pages go after at most 40 s, and this takes less than a tenth of a millisecond.
const ALLOCATIONS: usize = 2_000;
const BYTES: usize = 2048;
/// Above half a MiB an allocation is a page of its own: as it goes, pages that went before are given back to the system. Nothing is
/// written to this one, so it takes no memory.
const PAGE_BYTES: usize = 1024 * 1024;

thread_local! {
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// Runs on this thread from now on, once, however often it is asked for. Returns whether it did not yet.
pub(crate) fn start() -> bool {
    let first = !RUNS.replace(true);
    if first {
        actix_rt::spawn(run());
    }
    first
}

async fn run() {
    loop {
        sleep(EVERY).await;
        for _ in 0..ALLOCATIONS {
            drop(black_box(Vec::<u8>::with_capacity(BYTES)));
        }
        drop(black_box(Vec::<u8>::with_capacity(PAGE_BYTES)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_asks_again_has_it_already() {
        actix_rt::System::new().block_on(async {
            assert_eq!([start(), start()], [true, false]);
            let other = actix_rt::Arbiter::new();
            let (tell, told) = std::sync::mpsc::channel();
            other.spawn_fn(move || tell.send([start(), start()]).expect("it is waited for"));
            assert_eq!(told.recv(), Ok([true, false]));
            other.stop();
        });
    }
}
