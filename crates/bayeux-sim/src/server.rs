//! `Server`: an engine as the simulated fronts call it. The sound one passes every call on; a defective one, made to prove
//! that defects are found, does not.

use std::{sync::Arc, task::Waker};

use bayeux_engine::{Answer, Call, Engine, Pumped, Pumper, Sequence, Take, Ticket, Time};

use crate::Told;

/// The calls of a front, and of a worker's pump.
pub trait Server {
    /// See [`Engine::handle`].
    fn handle(&mut self, now: Time, call: Call) -> Answer;

    /// See [`Engine::take`].
    fn take(&mut self, now: Time, ticket: Ticket, written: bool, waker: &Waker) -> Take;

    /// See [`Engine::confirm`].
    fn confirm(&mut self, now: Time, ticket: Ticket);

    /// See [`Engine::cancel`].
    fn cancel(&mut self, now: Time, ticket: Ticket);

    /// See [`Pumper::pump_shard`].
    fn pump(&mut self, now: Time, shard: usize, subscribers: usize, waker: &Waker) -> Pumped;

    /// See [`Engine::leave`].
    fn leave(&mut self, now: Time) {
        self.engine().leave(now);
    }

    /// What the engine tells the other nodes, on its way to them.
    fn told(&mut self, told: Told) -> Option<Told> {
        Some(told)
    }

    /// See [`Sequence::arrive`].
    fn arrive(&mut self, received: &mut Sequence, number: u64) -> Option<u64> {
        received.arrive(number)
    }

    /// The engine behind it, for what a simulation looks at.
    fn engine(&self) -> &Arc<Engine>;
}

/// The engine as it is.
pub struct Sound {
    engine: Arc<Engine>,
    pumper: Pumper,
}

impl Sound {
    /// Takes charge of the engine's pumping.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { pumper: Pumper::register(engine.clone()), engine }
    }
}

impl Server for Sound {
    fn handle(&mut self, now: Time, call: Call) -> Answer {
        self.engine.handle(now, call)
    }

    fn take(&mut self, now: Time, ticket: Ticket, written: bool, waker: &Waker) -> Take {
        self.engine.take(now, ticket, written, waker)
    }

    fn confirm(&mut self, now: Time, ticket: Ticket) {
        self.engine.confirm(now, ticket);
    }

    fn cancel(&mut self, now: Time, ticket: Ticket) {
        self.engine.cancel(now, ticket);
    }

    fn pump(&mut self, now: Time, shard: usize, subscribers: usize, waker: &Waker) -> Pumped {
        self.pumper.pump_shard(shard, now, subscribers, waker)
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}
