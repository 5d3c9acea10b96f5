//! Runs the server: from options to the last connection closed.

use std::{
    future::{Future, poll_fn},
    io::{self, Write},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::signal::unix::{Signal, SignalKind, signal};
use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    web::ServiceConfig,
};
use bayeux_server::{
    AllowedOrigins, Bayeux, FrontOptions, Options, ServerConfig, StartError, TlsError, TrustedProxies, serve as front,
    tls_config,
};

use crate::{
    args::{Common, Dev, FrontKind, LogFormat, Serve},
    chat, logs, purge,
};

/// How long clients have to take their last reply on shutdown.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fewer connections are hardly meant.
const FEW_CONNECTIONS: usize = 100;

/// Why the server did not run. One clear sentence each.
#[derive(Debug)]
pub(crate) enum Failure {
    Listen(String, io::Error),
    Option(String),
    Start(StartError),
    Tls(TlsError),
    Run(io::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen(address, error) => match error.kind() {
                io::ErrorKind::AddrInUse => {
                    write!(f, "{address} is in use by another program; stop it, or choose another port with --listen")
                }
                io::ErrorKind::PermissionDenied => {
                    write!(f, "no permission to listen on {address}; choose a port above 1023 with --listen")
                }
                io::ErrorKind::AddrNotAvailable => {
                    write!(f, "{address} is no address of this machine; choose another with --listen")
                }
                _ => write!(f, "can't listen on {address}: {error}"),
            },
            Self::Option(sentence) => f.write_str(sentence),
            Self::Start(error) => write!(f, "can't start: {error}"),
            Self::Tls(error) => write!(f, "--tls-cert, --tls-key: {error}"),
            Self::Run(error) => write!(f, "stopped by an error: {error}"),
        }
    }
}

/// `bayeux serve`.
pub(crate) async fn serve(args: &Serve) -> Result<(), Failure> {
    let _log = logs::start("info,actix_server=warn", args.log_format).map_err(Failure::Option)?;
    run(&args.common, false).await
}

/// `bayeux dev`.
pub(crate) async fn dev(args: &Dev) -> Result<(), Failure> {
    let log = logs::start("info,bayeux::session=debug,actix_server=warn", LogFormat::Text);
    let _log = log.map_err(Failure::Option)?;
    run(&args.common, true).await
}

async fn run(common: &Common, dev: bool) -> Result<(), Failure> {
    let path = endpoint_path(&common.path)?;
    if dev && (path == "/chat" || path.starts_with("/chat/")) {
        let sentence = format!("--path: {path} is where the chat page is; choose another path, or `bayeux serve`");
        return Err(Failure::Option(sentence));
    }
    let tls = match (&common.tls_cert, &common.tls_key) {
        (Some(certificates), Some(key)) => Some(tls_config(certificates, key).map_err(Failure::Tls)?),
        _ => None,
    };
    let secure = tls.is_some();
    let bayeux = Bayeux::new(options(common)?).map_err(Failure::Start)?;
    let (address, server, max_connections) = match common.front {
        FrontKind::Own => own(common, &bayeux, &path, dev, tls),
        FrontKind::Actix => mounted(common, &bayeux, &path, dev, tls),
    }
    .map_err(|error| Failure::Listen(common.listen.text.clone(), error))?;
    // Before anybody is told that it runs: whoever reads that may send a signal at once.
    let signals = Signals::new().map_err(Failure::Run)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %address, path, tls = secure, front = ?common.front, max_connections, "serving");
    let asked = common.limits.max_connections;
    if let Some(few) = max_connections.filter(|max| *max < if asked == 0 { FEW_CONNECTIONS } else { asked }) {
        tracing::warn!("only {few} connections may be open: the limit of open files (`ulimit -n`) leaves no more");
    }
    announce(address, &path, dev, secure);
    actix_rt::spawn(stop_on_signal(bayeux.clone(), server.handle(), signals));
    let ended = server.await.map_err(Failure::Run);
    let counted = format!("{} {}", bayeux.engine().stats(), bayeux.stats());
    tracing::info!("counted: {}", if counted.trim().is_empty() { "nothing" } else { counted.trim() });
    ended
}

/// The server under the front of our own.
fn own(
    common: &Common,
    bayeux: &Bayeux,
    path: &str,
    dev: bool,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<(SocketAddr, Server, Option<usize>)> {
    let mut limits = FrontOptions::default();
    path.clone_into(&mut limits.path);
    common.limits.apply_to_front(&mut limits);
    limits.endpoint_only = !dev;
    let addresses = &common.listen.addresses[..];
    let routes = routes(path, dev);
    let front = front(bayeux.clone(), limits, move || App::new().configure(&routes));
    let front = match tls {
        Some(config) => front.bind_tls(addresses, config)?,
        None => front.bind(addresses)?,
    };
    let (address, max) = (front.addrs()[0], front.max_connections());
    Ok((address, front.run(), Some(max)))
}

/// The server under actix-web's own.
fn mounted(
    common: &Common,
    bayeux: &Bayeux,
    path: &str,
    dev: bool,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<(SocketAddr, Server, Option<usize>)> {
    let (routes, endpoint, path) = (routes(path, dev), bayeux.clone(), path.to_owned());
    let mut server = HttpServer::new(move || App::new().service(endpoint.service(&path)).configure(&routes))
        .workers(bayeux.engine().shards())
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .disable_signals()
        .shutdown_timeout(1);
    if common.limits.max_connections > 0 {
        server = server.max_connections(common.limits.max_connections.div_ceil(bayeux.engine().shards()));
    }
    let addresses = &common.listen.addresses[..];
    let server = match tls {
        Some(config) => server.bind_rustls_0_23(addresses, ServerConfig::clone(&config))?,
        None => server.bind(addresses)?,
    };
    Ok((server.addrs()[0], server.run(), None))
}

/// What is served beside the endpoint: in development the chat. Each worker asks once for each address, on its own thread, which
/// is where its memory is given back.
fn routes(path: &str, dev: bool) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let path = path.to_owned();
    move |config| {
        purge::start();
        if dev {
            chat::routes(config, &path);
        }
    }
}

/// What ends the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let came = self.terminate.poll_recv(cx).is_ready() || self.interrupt.poll_recv(cx).is_ready();
        if came { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// First no new connections, then every client is told, then the end. A second signal ends at once.
async fn stop_on_signal(bayeux: Bayeux, server: ServerHandle, mut signals: Signals) {
    poll_fn(|cx| signals.poll(cx)).await;
    tracing::info!(sessions = bayeux.engine().sessions(), "shutting down");
    server.pause().await;
    let mut told = pin!(bayeux.shutdown(PATIENCE));
    let in_peace = poll_fn(|cx| {
        if signals.poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        told.as_mut().poll(cx).map(|()| true)
    })
    .await;
    server.stop(in_peace).await;
}

/// The links are what the command is for; scripts read them here. Whether anybody does is not the server's concern.
fn announce(address: SocketAddr, path: &str, dev: bool, secure: bool) {
    let scheme = if secure { "https" } else { "http" };
    let text = if dev {
        let (version, link) = (env!("CARGO_PKG_VERSION"), linked(address));
        format!(
            "bayeux {version} (Bayeux 1.0: websocket, long-polling)\nchat: {scheme}://{link}/chat/\n\
             endpoint: {scheme}://{link}{path}\nOpen the chat in two browser windows. Ctrl-C ends the server.\n"
        )
    } else {
        format!("listening on {scheme}://{address}{path}\n")
    };
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The address as a browser on this machine can open it: one that stands for all of them is none to go to.
fn linked(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

fn options(common: &Common) -> Result<Options, Failure> {
    let mut options = Options::default();
    common.apply(&mut options);
    options.allow_origin = AllowedOrigins::parse(&common.allow_origin)
        .map_err(|error| Failure::Option(format!("--allow-origin: {error}")))?;
    options.trusted_proxies = TrustedProxies::parse(&common.trusted_proxy)
        .map_err(|error| Failure::Option(format!("--trusted-proxy: {error}")))?;
    if common.workers > 0 {
        options.shards = common.workers;
    }
    Ok(options)
}

/// The path of the endpoint, with one slash in front and none behind.
fn endpoint_path(text: &str) -> Result<String, Failure> {
    let path = text.trim_matches('/');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if path.is_empty() || !path.bytes().all(allowed) || path.contains("//") {
        return Err(Failure::Option(format!(
            "--path: {text:?} is no path; use one or more names of letters, digits, `-`, `.`, `_`, as in /bayeux"
        )));
    }
    Ok(format!("/{path}"))
}
