//! The client against the server of this project, over real sockets, and against servers that misbehave.

#![allow(clippy::print_stdout, reason = "the long tests tell what they measured")]

mod hostile;
mod live;
#[path = "../../examples/salesforce/org.rs"]
mod org;
mod overflow;
mod recovery;
mod relay;
mod salesforce;
mod server;
mod tls;
mod tokens;

use std::{future::Future, time::Duration};

use bayeux_client::{Client, ClientBuilder, State};

/// Nothing here takes so long, unless it never happens.
const PATIENCE: Duration = Duration::from_secs(20);

/// What makes a long test of a short one.
fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().expect("a number"))
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens in time")
}

/// Short pauses, so that no test takes long.
fn builder(url: &str) -> ClientBuilder {
    Client::builder(url).backoff(Duration::from_millis(200), Duration::from_millis(500))
}

/// Waits for a state.
async fn until(client: &Client, mut wanted: impl FnMut(&State) -> bool) -> State {
    let mut states = client.states();
    soon(async {
        loop {
            let state = states.next().await.expect("the client lives");
            if wanted(&state) {
                return state;
            }
        }
    })
    .await
}
