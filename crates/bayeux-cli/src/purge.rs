//! Memory that was freed goes back to the system also when nothing happens any more.
//!
//! mimalloc keeps what was freed for a second, in case it is needed again, and looks after that second only when one of its pages
//! is freed. Once everybody has left nobody frees any, and what a crowd took would stay until somebody comes. Each thread has
//! pages of its own, so this runs on each worker's.

use std::{hint::black_box, time::Duration};

use actix_rt::time::sleep;

/// How often it is made to look.
const EVERY: Duration = Duration::from_secs(5);
/// Above half a MiB an allocation is a page of its own. Nothing is written to this one, so it takes no memory.
const PAGE_BYTES: usize = 1024 * 1024;

/// Runs for ever.
pub(crate) async fn run() {
    loop {
        sleep(EVERY).await;
        drop(black_box(Vec::<u8>::with_capacity(PAGE_BYTES)));
    }
}
