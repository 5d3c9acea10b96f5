//! The pump of a worker: the task that delivers from inboxes and fires deadlines, one for each worker thread, and the
//! shard that sessions of this worker are born in.
//!
//! Between a publish and its delivery the runtime looks at the worker's connections. A peer that closed before the publish is known
//! to be gone by then (BX-DL-8), and no connection needs a look of its own, which would cost a system call for each delivery.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Context, Poll},
};

use actix_rt::time::{Sleep, sleep_until};
use bayeux_engine::{Pumper, PumperId, Time};

use crate::{Bayeux, turn::Turn};

/// Events of which the runtime learns in one look at most (tokio's `max_io_events_per_tick`).
const EVENTS_OF_A_LOOK: usize = 1024;
/// What the runtime has beside connections: its own waker, signals, listening sockets.
const OTHER_FILES: usize = 64;

static NEXT_WORKER: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which worker this thread is, once it is one.
    static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
    /// The engines that this thread pumps, by the ids of their servers: an application's factory runs once for each listening socket too.
    static PUMPED: RefCell<Vec<(usize, PumperId)>> = const { RefCell::new(Vec::new()) };
    /// Connections that this thread has open.
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

/// The shard in which sessions that handshake on this thread are born, modulo the number of shards: their wake-ups stay here.
pub(crate) fn shard() -> Option<usize> {
    WORKER.get()
}

/// Starts this thread's pump for `bayeux`, unless it runs already. To be called inside the worker's runtime.
pub(crate) fn start_pump(bayeux: &Bayeux) {
    if WORKER.get().is_none() {
        WORKER.set(Some(NEXT_WORKER.fetch_add(1, Relaxed)));
    }
    let id = bayeux.id();
    if PUMPED.with_borrow(|pumped| pumped.iter().any(|(other, _)| *other == id)) {
        return;
    }
    let pumper = Pumper::register(bayeux.engine().clone());
    PUMPED.with_borrow_mut(|pumped| pumped.push((id, pumper.id())));
    let running = Running { id };
    let bayeux = bayeux.clone();
    actix_rt::spawn(async move {
        pump(&bayeux, &pumper).await;
        drop(running);
    });
}

/// Whether the runtime of this thread has looked at its connections since what was taken was published: so if this thread's pump
/// had marked it.
pub(crate) fn has_looked(bayeux: &Bayeux, marked: Option<PumperId>) -> bool {
    let id = bayeux.id();
    marked.is_some_and(|pumper| PUMPED.with_borrow(|pumped| pumped.contains(&(id, pumper))))
}

/// A connection that this thread has open, for as long as this lives.
pub(crate) struct Open(());

impl Open {
    pub(crate) fn new() -> Self {
        OPEN.set(OPEN.get() + 1);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // The thread may be going down with its locals.
        let _ = OPEN.try_with(|open| open.set(open.get().saturating_sub(1)));
    }
}

/// Ends with the task, whichever way it ends.
struct Running {
    id: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = self.id;
        // The thread may be going down with its locals; then there is nothing to forget.
        let _ = PUMPED.try_with(|pumped| pumped.borrow_mut().retain(|(other, _)| *other != id));
    }
}

/// Pumps as long as the worker lives. One timer for all its shards.
async fn pump(bayeux: &Bayeux, pumper: &Pumper) {
    let mut timer = pin!(sleep_until(bayeux.clock().instant(Time::ZERO).into()));
    let mut set = None;
    let mut more = false;
    loop {
        if pumper.mark() || more {
            // Others on this thread run meanwhile: what they were sent so far leaves in one write each.
            for _ in 0..=(OPEN.get() + OTHER_FILES) / EVENTS_OF_A_LOOK {
                Turn::default().await;
            }
        }
        let mut woken = false;
        poll_fn(|cx| {
            if woken {
                return Poll::Ready(());
            }
            woken = true;
            let pumped = pumper.pump(bayeux.now(), cx.waker());
            more = pumped.more;
            let at_once = more || is_due(bayeux, timer.as_mut(), &mut set, pumped.next, cx);
            if at_once { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Sets the timer to `next`; whether that is past already.
fn is_due(
    bayeux: &Bayeux,
    mut timer: std::pin::Pin<&mut Sleep>,
    set: &mut Option<Time>,
    next: Option<Time>,
    cx: &mut Context<'_>,
) -> bool {
    let Some(next) = next else { return false };
    if *set != Some(next) {
        timer.as_mut().reset(bayeux.clock().instant(next).into());
        *set = Some(next);
    }
    let due = timer.as_mut().poll(cx).is_ready();
    if due {
        *set = None;
    }
    due
}
