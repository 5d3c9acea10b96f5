//! The cases that are written in Rust: those that need a loop, a race or chance, and the rules for every message of a run.

mod ack;
mod ack_more;
mod browsers;
mod exchange;
mod gap;
mod ids;
mod malformed;
mod many;
mod model;
mod moves;
mod queue;
mod slow;
mod socket;
mod streams;
mod subscribe;
mod values;
mod walk;
mod watched;
mod whole;

use crate::case::{Case, Kind, Profile, Run};
use crate::peer::Transport;
use crate::scene::Scene;
use crate::verdict::Level;
use std::rc::Rc;

/// All of them.
pub fn cases() -> Vec<Case> {
    [
        subscribe::cases(),
        many::cases(),
        values::cases(),
        exchange::cases(),
        ids::cases(),
        queue::cases(),
        slow::cases(),
        malformed::cases(),
        socket::cases(),
        ack::cases(),
        ack_more::cases(),
        gap::cases(),
        moves::cases(),
        browsers::cases(),
        streams::cases(),
        model::cases(),
        walk::cases(),
        whole::cases(),
        watched::cases(),
    ]
    .concat()
}

/// A case in Rust, of the base profile.
fn code(
    id: &str,
    level: Level,
    clauses: &[&str],
    transports: &[Transport],
    run: fn(Rc<Scene>, Transport) -> Run,
    title: &str,
) -> Case {
    Case {
        id: id.to_owned(),
        title: title.to_owned(),
        why: String::new(),
        level,
        clauses: clauses.iter().map(|clause| (*clause).to_owned()).collect(),
        profile: Profile::Base,
        transports: transports.to_vec(),
        provokes: false,
        needs: Vec::new(),
        kind: Kind::Code(run),
    }
}

/// The same case of the hardened profile.
fn hardened(case: Case) -> Case {
    Case { profile: Profile::Hardened, ..case }
}
