//! The pump of a worker: the task that delivers from inboxes and fires deadlines, one for each worker thread, and the
//! shard that sessions of this worker are born in.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Context, Poll},
};

use actix_rt::time::{Sleep, sleep_until};
use bayeux_engine::{Pumper, Time};

use crate::Bayeux;

static NEXT_WORKER: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which worker this thread is, once it is one.
    static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
    /// The engines that this thread pumps: an application's factory runs once for each listening socket too.
    static PUMPED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
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
    let started = PUMPED.with_borrow_mut(|pumped| {
        let new = !pumped.contains(&id);
        if new {
            pumped.push(id);
        }
        new
    });
    if started {
        let running = Running { id };
        let bayeux = bayeux.clone();
        actix_rt::spawn(async move {
            pump(&bayeux).await;
            drop(running);
        });
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
        let _ = PUMPED.try_with(|pumped| pumped.borrow_mut().retain(|other| *other != id));
    }
}

/// Pumps as long as the worker lives. One timer for all its shards.
async fn pump(bayeux: &Bayeux) {
    let pumper = Pumper::register(bayeux.engine().clone());
    let mut timer = pin!(sleep_until(bayeux.clock().instant(Time::ZERO).into()));
    let mut set = None;
    poll_fn(|cx| {
        loop {
            let pumped = pumper.pump(bayeux.now(), cx.waker());
            if pumped.more {
                // Others on this thread run first: what they were sent so far leaves in one write each.
                cx.waker().wake_by_ref();
                return Poll::<()>::Pending;
            }
            if !is_due(bayeux, timer.as_mut(), &mut set, pumped.next, cx) {
                return Poll::Pending;
            }
        }
    })
    .await;
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
