//! What joins the two nodes of a world: a driver at each end, and between them a way that delays, repeats and, while there is a
//! partition, loses what it is given.
//!
//! A driver sends what its engine publishes if the other node is interested, and tells the other node of its own interest. All
//! of it is numbered, so that the other end drops what is repeated and tells its engine what is missing. When the way is whole
//! again, each node says what it is interested in, all at once.
//!
//! So this is promised between nodes, and the model expects exactly this: a message reaches the subscribers of the other node
//! once, in the order in which its publisher's node accepted it, if that node knew of the interest and no partition took it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use bayeux_engine::{Backplane, Delivery, Edge, Sequence, Time};

use crate::{
    model,
    world::{Event, Node, World},
};

/// What an engine tells the other nodes.
#[derive(Clone, Debug)]
pub enum Told {
    /// See [`Backplane::publish`].
    Published(Arc<Delivery>),
    /// See [`Backplane::interest`].
    Interest(String, Edge),
}

/// Keeps what an engine told, until the step is over.
#[derive(Default)]
pub(crate) struct Port {
    told: Mutex<Vec<Told>>,
}

impl Port {
    fn push(&self, told: Told) {
        self.told.lock().expect("nobody panics holding it").push(told);
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().expect("nobody panics holding it"))
    }
}

impl Backplane for Port {
    fn publish(&self, delivery: &Arc<Delivery>) {
        self.push(Told::Published(delivery.clone()));
    }

    fn interest(&self, pattern: &str, edge: Edge) {
        self.push(Told::Interest(pattern.to_owned(), edge));
    }
}

/// A node's end of the way, and the way from it to the other node.
#[derive(Default)]
pub(crate) struct Driver {
    pub(crate) port: Arc<Port>,
    /// What this node is interested in, as its engine told.
    pub(crate) wanted: BTreeSet<String>,
    /// What the other node is interested in, as far as it was heard.
    heard: BTreeSet<String>,
    /// Tells what was sent before one of the two nodes began anew.
    run: u64,
    /// The last number that was given to something sent.
    sent: u64,
    received: Sequence,
    /// Taken, but the engine had no room yet.
    waiting: VecDeque<Arc<Delivery>>,
    /// On the way to the other node, in the order in which it arrives.
    letters: VecDeque<(Time, Letter)>,
    /// How many of them the way has lost that the other node was not told of.
    lost: u64,
    /// Nothing gets through from here.
    cut: bool,
}

#[derive(Clone, Debug)]
struct Letter {
    run: u64,
    number: u64,
    /// A copy that the way has made.
    repeated: bool,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Told(Told),
    /// All that the sender is interested in.
    Wants(BTreeSet<String>),
}

/// The number that an event's publisher gave it.
pub(crate) fn number(delivery: &Delivery) -> Option<u64> {
    let text = [delivery.head(), b"}"].concat();
    serde_json::from_slice::<serde_json::Value>(&text).ok()?["data"]["m"].as_u64()
}

impl World<'_> {
    /// The only other node, if there is one.
    fn other(&self, node: usize) -> Option<usize> {
        (self.nodes.len() == 2).then_some(1 - node)
    }

    /// What the engines have told in this step is checked, and sent.
    pub(crate) fn send_told(&mut self) {
        for node in 0..self.nodes.len() {
            for told in self.nodes[node].driver.port.take() {
                if let Some(told) = self.nodes[node].server.told(told) {
                    self.told(node, told);
                }
            }
            let (wanted, patterns) =
                (self.nodes[node].driver.wanted.len(), self.nodes[node].server.engine().patterns());
            let tells = wanted == patterns;
            self.expect(if tells { Ok(()) } else { Err(format!("node {node} has not told what it is interested in")) });
        }
        let verdict = self.model.check_told();
        self.expect(verdict);
    }

    fn told(&mut self, node: usize, told: Told) {
        let driver = &mut self.nodes[node].driver;
        let sends = match &told {
            Told::Published(delivery) => {
                let wanted = driver.heard.iter().any(|pattern| model::matches(pattern, delivery.channel()));
                let verdict = self.model.told(number(delivery));
                self.expect(verdict);
                wanted
            }
            Told::Interest(pattern, edge) => {
                let changes = match edge {
                    Edge::Up => driver.wanted.insert(pattern.clone()),
                    Edge::Down => driver.wanted.remove(pattern),
                };
                let verdict = format!("node {node} tells the edge {edge:?} of {pattern} twice");
                self.expect(if changes { Ok(()) } else { Err(verdict) });
                true
            }
        };
        if sends {
            self.send_letter(node, What::Told(told));
        }
    }

    fn send_letter(&mut self, from: usize, what: What) {
        if self.other(from).is_none() {
            return;
        }
        let delay = self.random.pick(&[1, 1, 5, 30, 300]);
        let repeats = self.random.percent(15);
        let arrives = self.now + Duration::from_millis(delay);
        let driver = &mut self.nodes[from].driver;
        driver.sent += 1;
        if driver.cut {
            driver.lost += 1;
            self.happened.lost += 1;
            return;
        }
        let arrives = driver.letters.back().map_or(arrives, |(last, _)| arrives.max(*last));
        let letter = Letter { run: driver.run, number: driver.sent, repeated: false, what };
        driver.letters.push_back((arrives, letter.clone()));
        self.at(arrives, Event::Arrive(from));
        if repeats {
            let pause = self.random.pick(&[0, 50, 2000]);
            self.after(pause, Event::Repeat(from, Box::new(Repeat(letter))));
        }
    }

    /// The way makes a copy of something that was sent before.
    pub(crate) fn repeat(&mut self, from: usize, Repeat(letter): Repeat) {
        let driver = &mut self.nodes[from].driver;
        if driver.cut || letter.run != driver.run {
            return;
        }
        let arrives = driver.letters.back().map_or(self.now, |(last, _)| self.now.max(*last));
        driver.letters.push_back((arrives, Letter { repeated: true, ..letter }));
        self.at(arrives, Event::Arrive(from));
    }

    /// Whatever has arrived from this node by now is taken by the other one.
    pub(crate) fn arrive(&mut self, from: usize) {
        while let Some((_, letter)) = self.nodes[from].driver.letters.pop_front_if(|(at, _)| *at <= self.now) {
            self.take_letter(from, letter);
        }
    }

    fn take_letter(&mut self, from: usize, letter: Letter) {
        let Some(to) = self.other(from) else { return };
        let Node { server, driver, .. } = &mut self.nodes[to];
        let Some(missing) = server.arrive(&mut driver.received, letter.number) else {
            self.happened.repeated += 1;
            let verdict = format!("letter {} of node {from} is dropped, and it came once only", letter.number);
            return self.expect(if letter.repeated { Ok(()) } else { Err(verdict) });
        };
        server.engine().gap(missing);
        let lost = std::mem::take(&mut self.nodes[from].driver.lost);
        self.expect(if missing == lost { Ok(()) } else { Err(format!("{lost} letters are lost, {missing} missed")) });
        if letter.repeated {
            // A driver that lets copies through gives them to its engine; the model expects one of each.
            if let What::Told(Told::Published(delivery)) = letter.what {
                let _refused = self.nodes[to].server.engine().deliver(self.now, &delivery);
            }
            return;
        }
        let heard = &mut self.nodes[to].driver.heard;
        match letter.what {
            What::Wants(patterns) => *heard = patterns,
            What::Told(Told::Interest(pattern, Edge::Up)) => drop(heard.insert(pattern)),
            What::Told(Told::Interest(pattern, Edge::Down)) => drop(heard.remove(&pattern)),
            What::Told(Told::Published(delivery)) => {
                self.nodes[to].driver.waiting.push_back(delivery);
                self.deliver_waiting(to);
            }
        }
    }

    /// The engine is given what has arrived, as far as it has room.
    pub(crate) fn deliver_waiting(&mut self, node: usize) {
        while let Some(delivery) = self.nodes[node].driver.waiting.front().cloned() {
            if self.nodes[node].server.engine().deliver(self.now, &delivery).is_err() {
                let small = self.settings.small_inboxes;
                self.expect(if small { Ok(()) } else { Err("an inbox with room refused a message".into()) });
                return self.after(5, Event::Deliver(node));
            }
            self.nodes[node].driver.waiting.pop_front();
            self.happened.crossed += 1;
            let event = number(&delivery).unwrap_or_default();
            self.note(format_args!("event {event} has come to node {node}"));
            self.model.publish(self.now, node, delivery.channel(), event, None);
        }
    }

    /// Everything that is on its way arrives now. Tells whether the nodes have nothing more for each other.
    pub(crate) fn settle_backplane(&mut self) -> bool {
        for from in 0..self.nodes.len() {
            while let Some((_, letter)) = self.nodes[from].driver.letters.pop_front() {
                self.take_letter(from, letter);
            }
        }
        let quiet = |node: &Node| !node.driver.cut && node.driver.lost == 0 && node.driver.waiting.is_empty();
        self.nodes.iter().all(quiet)
    }

    /// The way is cut in one direction or in both; what is on it is lost. Or it is whole again.
    pub(crate) fn partition(&mut self) {
        if self.healed || self.nodes.len() < 2 {
            return;
        }
        let is_cut = self.nodes.iter().any(|node| node.driver.cut);
        let pause = self.random.between(1, if is_cut { 5000 } else { 1500 });
        self.after(pause, Event::Partition);
        if is_cut {
            return self.join_nodes();
        }
        self.happened.partitions += 1;
        let cut = self.random.pick(&[[true, true], [true, false], [false, true]]);
        self.note(format_args!("partition: {cut:?}"));
        for (node, cut) in cut.into_iter().enumerate() {
            if cut {
                self.nodes[node].driver.cut = true;
                self.lose_letters(node);
            }
        }
    }

    fn lose_letters(&mut self, node: usize) {
        let driver = &mut self.nodes[node].driver;
        let lost = driver.letters.drain(..).filter(|(_, letter)| !letter.repeated).count() as u64;
        driver.lost += lost;
        self.happened.lost += lost;
    }

    /// The way is whole: each node says what it is interested in.
    pub(crate) fn join_nodes(&mut self) {
        for node in 0..self.nodes.len() {
            self.nodes[node].driver.cut = false;
            let wanted = self.nodes[node].driver.wanted.clone();
            self.send_letter(node, What::Wants(wanted));
        }
    }

    /// A node has ended and another one begins in its place: both begin to count anew, and what was on its way is gone.
    pub(crate) fn rejoin(&mut self, node: usize) {
        if let Some(other) = self.other(node) {
            let run = self.number();
            let old = &mut self.nodes[other].driver;
            let (port, wanted, waiting) = (old.port.clone(), old.wanted.clone(), std::mem::take(&mut old.waiting));
            *old = Driver { port, wanted, waiting, run, ..Driver::default() };
            self.nodes[node].driver.run = run;
            self.join_nodes();
        }
    }

    /// At rest both nodes know what the other is interested in.
    pub(crate) fn check_joined(&mut self) {
        for node in 0..self.nodes.len() {
            let Some(other) = self.other(node) else { return };
            let same = self.nodes[other].driver.heard == self.nodes[node].driver.wanted;
            self.expect(if same { Ok(()) } else { Err(format!("node {other} does not know what node {node} wants")) });
        }
    }
}

/// A copy that the way will make.
#[derive(Clone, Debug)]
pub(crate) struct Repeat(Letter);
