//! `cargo xtask soak half-open`: a client whose packets are lost from one moment on. The server's system sees nothing of that
//! but silence; how long its connection stays, and its session, is measured for each transport.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::BUILD_LIMIT;
use crate::{
    process::{self, How},
    workspace,
};

#[derive(Args, Clone, Debug)]
pub(crate) struct HalfOpen {
    /// Where we are started again, in a network namespace of our own.
    #[arg(long, hide = true)]
    inside: bool,
}

const TRANSPORTS: [&str; 6] =
    ["websocket", "long-polling", "callback-polling", "eventsource", "xhr-streaming", "iframe"];
const SERVER: &str = "10.200.0.1";
const CLIENT: &str = "10.200.0.2";
/// What is promised: the connection of a peer that vanished is closed within this time.
const NOTICED: Duration = Duration::from_secs(15);
/// How long its session then lives on, so that the client may come back to it: the default.
const MAX_INTERVAL: Duration = Duration::from_secs(10);
/// On top of both: the server's timers and ours are coarse.
const MARGIN: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at the system's table of connections.
const LOOK: Duration = Duration::from_millis(50);
/// `ESTABLISHED` in /proc/net/tcp.
const ESTABLISHED: &str = "01";

/// Tells whether the server noticed in time.
pub(crate) fn run(what: &HalfOpen) -> Result<bool> {
    if what.inside {
        return inside();
    }
    ensure!(rustix::process::geteuid().is_root(), "network namespaces need root");
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--package", "bayeux-cli", "--package", "bayeux-bench"]);
    let built = process::run(&mut build, BUILD_LIMIT)?;
    ensure!(built.how == How::Success, "the server and its client can't be built");
    let mut again = Command::new("unshare");
    again.arg("--net").arg(std::env::current_exe()?).args(["soak", "half-open", "--inside"]);
    Ok(process::run(&mut again, 3 * PATIENCE)?.how == How::Success)
}

/// In a namespace of our own, which is the server's.
fn inside() -> Result<bool> {
    let programs = workspace::metadata()?.target_directory.join("debug");
    // The client's namespace is there as long as this shell is.
    let mut shell = Started(spawn(Command::new("unshare").args(["--net", "sh", "-c", "echo there; read end"]))?);
    let namespace = shell.0.id().to_string();
    first_line(&mut shell)?;
    connect(&namespace)?;
    let peers = TRANSPORTS.map(|transport| Peer::start(&programs, &namespace, transport));
    let peers = peers.into_iter().collect::<Result<Vec<_>>>()?;
    // From now on nothing that the client's system sends arrives, not even an acknowledgement.
    client_ip(&namespace, &["route", "add", "blackhole", SERVER])?;
    let cut = Instant::now();
    let waiting: Vec<_> = peers.into_iter().map(|peer| thread::spawn(move || peer.watch(cut))).collect();
    let mut all_in_time = true;
    for peer in waiting {
        all_in_time &= peer.join().expect("watching does not panic")?;
    }
    Ok(all_in_time)
}

/// A pair of interfaces between the two namespaces.
fn connect(namespace: &str) -> Result<()> {
    ip(&["link", "add", "server", "type", "veth", "peer", "name", "client"])?;
    ip(&["link", "set", "client", "netns", namespace])?;
    ip(&["addr", "add", &format!("{SERVER}/24"), "dev", "server"])?;
    ip(&["link", "set", "server", "up"])?;
    ip(&["link", "set", "lo", "up"])?;
    client_ip(namespace, &["addr", "add", &format!("{CLIENT}/24"), "dev", "client"])?;
    client_ip(namespace, &["link", "set", "client", "up"])
}

fn ip(arguments: &[&str]) -> Result<()> {
    succeed(Command::new("ip").args(arguments))
}

fn client_ip(namespace: &str, arguments: &[&str]) -> Result<()> {
    succeed(in_namespace(namespace, Path::new("ip")).args(arguments))
}

fn in_namespace(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", namespace, "--net"]).arg(program);
    command
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}

/// A server, and the one client that it has.
struct Peer {
    transport: &'static str,
    _server: Started,
    _client: Started,
    log: Receiver<String>,
    port: u16,
}

impl Peer {
    fn start(programs: &Path, namespace: &str, transport: &'static str) -> Result<Self> {
        let mut command = Command::new(programs.join("bayeux"));
        command.args(["serve", "--listen", &format!("{SERVER}:0"), "--timeout", "10m", "--callback-polling"]);
        command.env("RUST_LOG", "warn,bayeux::session=debug").env("NO_COLOR", "1").stderr(Stdio::piped());
        let mut server = Started(spawn(&mut command)?);
        let line = first_line(&mut server)?;
        let url = line.strip_prefix("listening on ").with_context(|| format!("the server said {line:?}"))?;
        let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next()).and_then(|port| port.parse().ok());
        let port = port.with_context(|| format!("{url} has no port"))?;
        let log = lines(server.0.stderr.take().context("it is piped")?);
        let mut command = in_namespace(namespace, &programs.join("bayeux-bench"));
        let mut client = Started(spawn(command.args(["hold", "--url", url, "--transport", transport]))?);
        let line = first_line(&mut client)?;
        ensure!(line == "held", "the client said {line:?}");
        ensure!(established(port)? == 1, "there is no connection to cut");
        Ok(Self { transport, _server: server, _client: client, log, port })
    }

    /// Waits for the end of the connection and of the session, and tells when they came.
    fn watch(self, cut: Instant) -> Result<bool> {
        while established(self.port)? > 0 {
            ensure!(cut.elapsed() < PATIENCE, "{}: the connection is still there", self.transport);
            thread::sleep(LOOK);
        }
        let noticed = cut.elapsed();
        let why = loop {
            let left = PATIENCE.saturating_sub(cut.elapsed());
            let Ok(line) = self.log.recv_timeout(left) else {
                bail!("{}: the session is still there", self.transport);
            };
            if let Some((_, why)) = line.split_once("why=") {
                break why.trim().to_owned();
            }
        };
        let ended = cut.elapsed();
        println!(
            "half-open, {}: connection closed after {:.1} s, session ended after {:.1} s ({why})",
            self.transport,
            noticed.as_secs_f64(),
            ended.as_secs_f64()
        );
        Ok(noticed <= NOTICED + MARGIN && ended <= NOTICED + MAX_INTERVAL + MARGIN)
    }
}

/// Connections of the port that the system takes to be open.
fn established(port: u16) -> Result<usize> {
    let table = fs::read_to_string("/proc/thread-self/net/tcp").context("the table of connections can't be read")?;
    let local = format!(":{port:04X}");
    let is_open = |line: &&str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        fields.next().is_some_and(|address| address.ends_with(&local)) && fields.nth(1) == Some(ESTABLISHED)
    };
    Ok(table.lines().filter(is_open).count())
}

/// A program that ends with us.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().with_context(|| format!("cannot run {command:?}"))
}

fn first_line(started: &mut Started) -> Result<String> {
    let lines = lines(started.0.stdout.take().context("it is piped")?);
    lines.recv_timeout(PATIENCE).context("a program that was started says nothing")
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // Whether anybody still listens or not: the pipe is to be emptied.
            let _ = send.send(line);
        }
    });
    receive
}
