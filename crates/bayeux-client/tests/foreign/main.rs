//! The client against servers of others: npm faye, npm cometd-nodejs-server, and the Java server of CometD.
//!
//! They are started by their scripts in conformance-tests/targets, which fetch them the first time and need Node.js, or a JDK and
//! Maven; hence these tests are run on demand: `cargo xtask soak client`, and those of npm in `cargo xtask test conformance`.

#![allow(clippy::print_stdout, reason = "it tells what was measured")]

#[path = "../it/relay.rs"]
#[allow(dead_code, reason = "others cut at random")]
mod relay;

use std::{
    future::Future,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bayeux_client::{Client, ClientBuilder, ConnectionType, Interruption, Json, State, Transports};
use tokio::time::timeout;

use crate::relay::Relay;

/// Nothing here takes so long, unless it never happens.
const PATIENCE: Duration = Duration::from_secs(30);

/// With pauses for a server that is back soon; those by default grow to 30 seconds.
fn builder(url: &str) -> ClientBuilder {
    Client::builder(url).backoff(Duration::from_millis(200), Duration::from_millis(500))
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens in time")
}

/// A server of others, for as long as a test wants it.
struct Foreign {
    name: &'static str,
    address: SocketAddr,
    process: Child,
}

impl Foreign {
    /// On a free port if that is 0.
    fn start(name: &'static str, port: u16) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance-tests/targets").join(name);
        let mut process = Command::new(script)
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the script can be run");
        let mut first = String::new();
        BufReader::new(process.stdout.take().expect("it is a pipe")).read_line(&mut first).expect("it says something");
        let address = first
            .trim()
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.strip_suffix("/bayeux"))
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("{name} should say where it listens, not {first:?}; try its script"));
        Self { name, address, process }
    }

    fn url(&self) -> String {
        format!("http://{}/bayeux", self.address)
    }

    /// Ends it without a word to anybody, and starts it again on the same port.
    fn kill(mut self) -> impl FnOnce() -> Self {
        self.end();
        let (name, port) = (self.name, self.address.port());
        move || Self::start(name, port)
    }

    fn end(&mut self) {
        self.process.kill().expect("it can be ended");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.end();
    }
}

fn connected(transport: ConnectionType) -> impl Fn(&State) -> bool {
    move |state| *state == State::Connected { transport: transport.clone() }
}

/// From handshake to disconnect. The patterns do not overlap: npm cometd-nodejs-server would send two copies.
async fn exchange(name: &'static str, transports: Transports, is_wanted: impl Fn(&State) -> bool) {
    let server = Foreign::start(name, 0);
    let client = soon(builder(&server.url()).transports(transports).connect()).await.expect("it connects");
    let mut states = client.states();
    let state = soon(async {
        loop {
            let state = states.next().await.expect("the client lives");
            if is_wanted(&state) {
                return state;
            }
        }
    });
    println!("{name}, {transports:?}: {}", state.await);
    let mut all = soon(client.subscribe("/room/*")).await.expect("it is confirmed");
    let mut one = soon(client.subscribe("/other")).await.expect("it is confirmed");
    for number in 0..50 {
        soon(client.publish("/room/one", &number)).await.expect("it is published");
    }
    let batch = (50..100).map(|number| ("/room/one", Json::from_serialize(&number).expect("it is JSON")));
    let outcomes = soon(client.publish_batch(batch)).await.expect("the channels are right");
    assert!(outcomes.len() == 50 && outcomes.iter().all(Result::is_ok));
    for number in 0..100 {
        let message = soon(all.next()).await.expect("it goes on").expect("nothing is missing");
        assert_eq!((message.channel.as_str(), message.parse::<u32>()), ("/room/one", Ok(number)));
    }
    soon(client.publish("/other", &true)).await.expect("it is published");
    let message = soon(one.next()).await.expect("it goes on").expect("nothing is missing");
    assert_eq!(message.data.as_str(), "true");
    soon(one.unsubscribe()).await.expect("it is confirmed");
    soon(client.publish("/room/one", "the end")).await.expect("it is published");
    let message = soon(all.next()).await.expect("it goes on").expect("nothing is missing");
    assert_eq!(message.data.as_str(), "\"the end\"");
    soon(client.disconnect()).await.expect("it disconnects");
}

/// It is killed while messages are on their way: the client asks at most 10 times a second, comes back by itself, and says that
/// messages may be missing.
async fn restart(name: &'static str, transports: Transports) {
    let server = Foreign::start(name, 0);
    let relay = Relay::to(server.address).await;
    let client = soon(builder(&relay.url()).transports(transports).connect()).await.expect("it connects");
    let mut subscription = soon(client.subscribe("/a")).await.expect("it is confirmed");
    let writing = tokio::spawn(write(client.clone()));
    soon(subscription.next()).await.expect("it comes").expect("nothing is missing");

    let mut accepted = relay.accepted();
    let start = server.kill();
    relay.turn(None);
    let (before, outage) = (*accepted.borrow_and_update(), Instant::now());
    soon(accepted.wait_for(|accepted| *accepted >= before + 8)).await.expect("the relay lives");
    let attempts = *accepted.borrow() - before;
    let rate = attempts as f64 / outage.elapsed().as_secs_f64();
    assert!(rate <= 10.0, "{rate:.1} attempts a second");

    let server = tokio::task::spawn_blocking(start).await.expect("it starts");
    relay.turn(Some(server.address));
    let back = Instant::now();
    let mut is_told = false;
    soon(async {
        loop {
            match subscription.next().await.expect("it goes on") {
                Err(Interruption::NewSession) => is_told = true,
                // What came before the end of the first server is read first.
                Ok(_) if !is_told => {}
                other => return other.expect("nothing is missing after that"),
            }
        }
    })
    .await;
    println!("{name}, {transports:?}: {rate:.1} attempts a second, received again after {:?}", back.elapsed());
    writing.abort();
    soon(client.disconnect()).await.expect("it disconnects");
}

/// Without end; what fails is tried again by nobody.
async fn write(client: Client) {
    for number in 0_u64.. {
        if client.publish("/a", &number).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_op_3_npm_faye() {
    exchange("faye", Transports::LongPolling, connected(ConnectionType::LongPolling)).await;
    exchange("faye", Transports::MoveUp, connected(ConnectionType::WebSocket)).await;
    restart("faye", Transports::LongPolling).await;
    restart("faye", Transports::MoveUp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_st_2_npm_faye_streams_in_a_form_of_its_own() {
    // It answers the request for a stream with a script.
    exchange("faye", Transports::EventSource, |state| matches!(state, State::Degraded { .. })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_op_3_npm_cometd_nodejs_server() {
    // It has no WebSocket.
    exchange("cometd-nodejs-server", Transports::LongPolling, connected(ConnectionType::LongPolling)).await;
    restart("cometd-nodejs-server", Transports::MoveUp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bx_op_3_cometd_java() {
    exchange("cometd-java", Transports::LongPolling, connected(ConnectionType::LongPolling)).await;
    exchange("cometd-java", Transports::WebSocketFirst, connected(ConnectionType::WebSocket)).await;
    exchange("cometd-java", Transports::MoveUp, connected(ConnectionType::WebSocket)).await;
    restart("cometd-java", Transports::LongPolling).await;
    restart("cometd-java", Transports::WebSocketFirst).await;
}
