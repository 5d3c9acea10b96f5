//! What happens to nodes: a shard panics, a node shuts down and another one begins in its place.

use bayeux_engine::ClientId;

use crate::{
    connection::Path,
    world::{Event, Node, World},
};

/// How long a node that shuts down goes on: its clients are told meanwhile.
const GRACE_MILLIS: u64 = 2500;

impl World<'_> {
    /// The seed chooses whether it happens at all.
    pub(crate) fn schedule_fates(&mut self) {
        let busy = self.settings.busy.as_millis() as u64;
        for (percent, event) in [(35, Event::Break), (15, Event::Break), (35, Event::Leave)] {
            let at = self.random.between(1000, busy);
            if self.random.percent(percent) {
                self.after(at, event);
            }
        }
    }

    /// A shard panics: its sessions are lost, and nobody else's.
    pub(crate) fn breaks(&mut self) {
        let (node, shard) = (self.random.below(self.nodes.len()), self.random.below(self.settings.shards));
        self.note(format_args!("shard {node}.{shard} panics"));
        self.happened.broken += 1;
        self.nodes[node].broken += 1;
        self.nodes[node].server.engine().break_shard(shard, self.now);
        let shards = self.settings.shards;
        for (key, connection) in self.connections.iter().enumerate() {
            let session = connection.session.as_deref().filter(|_| connection.engine == node);
            if connection.ticket().is_some() && session.is_some_and(|id| shard_of(id, shards) == shard) {
                self.model.unlink(self.now, key);
            }
        }
        self.model.lose_sessions(node, |id| shard_of(id, shards) == shard);
    }

    /// A node shuts down. With another one beside it, its sessions may go there first.
    pub(crate) fn leaves(&mut self) {
        let node = self.random.below(self.nodes.len());
        self.note(format_args!("node {node} shuts down"));
        self.happened.restarts += 1;
        self.nodes[node].leaving = true;
        self.model.leave(self.now, node);
        self.nodes[node].server.leave(self.now);
        if self.nodes.len() == 2 && self.random.percent(50) {
            let here: Vec<_> = self.places.iter().filter(|(_, at)| **at == node).map(|(id, _)| id.clone()).collect();
            for id in here.iter().filter_map(|id| ClientId::parse(id)) {
                self.move_session(id, 1 - node);
            }
        }
        self.after(GRACE_MILLIS, Event::Restart(node));
    }

    /// No other shard panicked than those that were to.
    pub(crate) fn check_panics(&mut self, node: usize) {
        let Node { server, broken, .. } = &self.nodes[node];
        // Each shard is locked, so that one that panicked is replaced.
        server.engine().connections();
        let replaced = server.engine().stats().shards_replaced;
        self.expect(if replaced == *broken {
            Ok(())
        } else {
            Err(format!("{replaced} shards of node {node} panicked"))
        });
    }

    /// The node ends with all its connections and sessions; another one begins.
    pub(crate) fn restart(&mut self, node: usize) {
        self.note(format_args!("node {node} begins anew"));
        for key in 0..self.connections.len() {
            let connection = &self.connections[key];
            let published = connection.server.published_at == node;
            if connection.server_open && (connection.node == node || connection.engine == node || published) {
                self.server_drops(key);
                if self.connections[key].path == Path::Fine {
                    self.cut(key, true);
                }
            }
        }
        self.check_panics(node);
        self.model.lose_sessions(node, |_| true);
        self.model.begin_anew(node);
        self.happened.add(&self.nodes[node].server.engine().stats());
        let new = self.new_node(node);
        self.nodes[node] = new;
        self.rejoin(node);
    }
}

/// The shard of a session: its slot, the first three digits of its id, modulo the number of shards.
fn shard_of(id: &str, shards: usize) -> usize {
    usize::from_str_radix(&id[..3], 36).expect("an id begins with its slot") % shards
}
