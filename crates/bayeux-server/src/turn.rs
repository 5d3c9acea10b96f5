//! `Turn`: until the runtime of this thread has looked at its connections once more. What they knew of their peers before may be older
//! than what they are to be told.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::task::yield_now;

/// Ready after one look, and no sooner, whatever else wakes its task.
#[derive(Default)]
pub(crate) struct Turn {
    over: Option<Arc<Over>>,
}

struct Over {
    seen: AtomicBool,
    task: Waker,
}

impl Wake for Over {
    fn wake(self: Arc<Self>) {
        self.seen.store(true, Release);
        self.task.wake_by_ref();
    }
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &self.over {
            Some(over) if over.seen.load(Acquire) => Poll::Ready(()),
            Some(over) if over.task.will_wake(cx.waker()) => Poll::Pending,
            _ => {
                let over = Arc::new(Over { seen: AtomicBool::new(false), task: cx.waker().clone() });
                // The runtime keeps the waker until it has looked.
                let waker = over.clone().into();
                let _pending = std::pin::pin!(yield_now()).poll(&mut Context::from_waker(&waker));
                self.over = Some(over);
                Poll::Pending
            }
        }
    }
}
