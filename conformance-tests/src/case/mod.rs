//! A case: one question to an implementation, with its id, its clauses and what is to be done.
//!
//! Most cases are data, in `cases/*.json`: steps and what each should bring. Those that need a loop, a race or chance are written in
//! Rust, in `builtin/`. Both kinds are run, filtered and reported alike.

mod act;
mod answer;
mod expectation;
mod fields;
mod load;
mod look;
mod step;

pub use act::{Act, Await, Role, Staged};
pub use answer::{Answer, Cut, HttpAnswer};
pub use expectation::{Alternative, Expectation};
pub use load::{LoadError, all, parse_file};
pub use look::Look;
pub use step::{FrameSpec, HttpSpec, Open, Part, Step, When};

use crate::observer::Rule;
use crate::peer::Transport;
use crate::scene::Scene;
use crate::verdict::{Finding, Level};
use std::fmt::{Display, Formatter};
use std::pin::Pin;
use std::rc::Rc;

/// What a case that is written in Rust returns.
pub type Run = Pin<Box<dyn Future<Output = Finding>>>;

/// One question.
#[derive(Clone)]
pub struct Case {
    /// `HS-006`: given once, never used for another question.
    pub id: String,
    /// What it asks, in a line.
    pub title: String,
    /// Why that matters, or why it is judged so; may be empty.
    pub why: String,
    /// Not stricter than its clauses.
    pub level: Level,
    /// The clauses of protocol-spec that it is about.
    pub clauses: Vec<String>,
    /// In which profile it is asked.
    pub profile: Profile,
    /// The transports over which it is asked, each on its own.
    pub transports: Vec<Transport>,
    /// It sends what no client should, though it is not of the profile `hardened`.
    pub provokes: bool,
    /// What the server must be able to do, as discovery names it.
    pub needs: Vec<String>,
    /// What is to be done.
    pub kind: Kind,
}

impl Case {
    /// Whom it is about.
    pub fn role(&self) -> Role {
        match &self.kind {
            Kind::Steps(_) | Kind::Code(_) => Role::Server,
            Kind::Stage(_) => Role::Client,
            Kind::Whole(rule) => rule.role(),
        }
    }

    /// Whether a pattern is like its id, or like that of one of its clauses.
    pub fn is_named(&self, pattern: &str) -> bool {
        crate::run::like(pattern, &self.id) || self.clauses.iter().any(|clause| crate::run::like(pattern, clause))
    }

    /// Whether it sends what no client should: then what comes is no example of how the server answers clients.
    pub fn provokes(&self) -> bool {
        self.provokes || self.profile == Profile::Hardened
    }
}

/// How a case is asked.
#[derive(Clone)]
pub enum Kind {
    /// Steps, one after the other.
    Steps(Vec<Step>),
    /// What the suite does as a server, one after the other.
    Stage(Vec<Staged>),
    /// In Rust.
    Code(fn(Rc<Scene>, Transport) -> Run),
    /// A rule for every message of the run, judged at its end.
    Whole(Rule),
}

/// What an implementation may be asked to conform to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// The published text, and the transports and extensions that it announces.
    Base,
    /// What clients and servers of CometD rely on beyond it.
    Cometd,
    /// What clients and servers of Faye rely on beyond it.
    Faye,
    /// What a server on the open internet should withstand.
    Hardened,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Base, Self::Cometd, Self::Faye, Self::Hardened];

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.to_string() == name)
    }
}

impl Display for Profile {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.pad(match self {
            Self::Base => "base",
            Self::Cometd => "cometd",
            Self::Faye => "faye",
            Self::Hardened => "hardened",
        })
    }
}
