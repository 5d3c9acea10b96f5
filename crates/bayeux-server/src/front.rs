//! The front of our own: a connection service under actix-server that serves the endpoint and its WebSockets on the socket
//! itself, and hands every other connection to actix with the application in it.
//!
//! What the mounted form can't have is had here: a deadline for each head, body and write, one bounded buffer, 2 to 3 KiB for
//! an idle session, and a peer that vanishes is noticed at once.

mod application;
mod chunked;
mod connection;
mod deadline;
mod endpoint;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod io;
mod linger;
mod listener;
mod options;
mod output;
mod request;
mod socket;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "tls")]
use std::sync::Arc;
use std::{
    fmt,
    marker::PhantomData,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    rc::Rc,
};

use actix_http::{Request, Response};
use actix_rt::{net::TcpStream, time::timeout};
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory, fn_service};
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, Server},
};

use crate::{
    Bayeux,
    stats::count,
    worker::{self, Open},
};
use application::{Application, Prefixed};
use connection::Outcome;
use endpoint::Endpoint;
use io::Stream;
use listener::{Connections, Entry};
pub use options::FrontOptions;
#[cfg(feature = "tls")]
pub use tls::{TlsError, tls_config};
pub(crate) use {
    chunked::MAX_LINE_BYTES,
    linger::{LINGER, LINGER_BYTES},
    listener::{REFUSAL, REFUSED},
    request::MAX_HEADERS,
};

/// A server in the making: the endpoint at `options.path`, and the application beside it.
pub struct Front<F, I, S, B> {
    bayeux: Bayeux,
    options: FrontOptions,
    application: F,
    builder: ServerBuilder,
    connections: Connections,
    addresses: Vec<SocketAddr>,
    /// What the application is made of.
    types: PhantomData<(I, S, B)>,
}

/// Serves `bayeux` on its own connections, beside an actix-web application.
///
/// ```no_run
/// use actix_web::{App, HttpResponse, web};
/// use bayeux_server::{Bayeux, FrontOptions, Options, serve};
///
/// #[actix_web::main]
/// async fn main() -> std::io::Result<()> {
///     let bayeux = Bayeux::new(Options::default()).map_err(std::io::Error::other)?;
///     serve(bayeux, FrontOptions::default(), || {
///         App::new().route("/", web::get().to(|| async { HttpResponse::Ok().body("hello") }))
///     })
///     .bind("127.0.0.1:8080")?
///     .run()
///     .await
/// }
/// ```
///
/// The application's middleware does not see requests for the endpoint.
///
/// The server handles no signals. To end it in peace, take its handle before it is awaited, and on a signal of your choice call
/// `handle.pause().await`, so that nobody new comes; [`Bayeux::shutdown`], so that clients are told; `handle.stop(true).await`.
pub fn serve<F, I, S, B>(bayeux: Bayeux, options: FrontOptions, application: F) -> Front<F, I, S, B>
where
    F: Fn() -> I,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig>,
    S::Response: Into<Response<B>>,
{
    let workers = if options.workers == 0 { bayeux.engine().shards() } else { options.workers };
    let connections = Connections::new(options.max_connections, workers);
    // The places are ours to give: actix-server hands over some more connections, to be refused.
    let builder = Server::build().workers(workers).max_concurrent_connections(connections.max_of_a_worker(workers));
    Front { bayeux, options, application, builder, connections, addresses: Vec::new(), types: PhantomData }
}

impl<F, I, S, B> Front<F, I, S, B>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    /// Listens for plain connections on every address that `addresses` stands for.
    ///
    /// # Errors
    /// None of them can be listened on: in use, not of this machine, or not allowed.
    pub fn bind(mut self, addresses: impl ToSocketAddrs) -> std::io::Result<Self> {
        for listener in listeners(addresses)? {
            self = self.listen(listener)?;
        }
        Ok(self)
    }

    /// Listens for plain connections on a socket that is bound already.
    ///
    /// # Errors
    /// The socket can't be asked for its address, or not be made non-blocking.
    pub fn listen(self, listener: TcpListener) -> std::io::Result<Self> {
        self.add(listener, false, async |stream| Ok(stream))
    }

    /// Listens for TLS connections on every address that `addresses` stands for; see [`tls_config`].
    ///
    /// # Errors
    /// As [`Front::bind`].
    #[cfg(feature = "tls")]
    pub fn bind_tls(
        mut self,
        addresses: impl ToSocketAddrs,
        config: Arc<rustls::ServerConfig>,
    ) -> std::io::Result<Self> {
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        for listener in listeners(addresses)? {
            let acceptor = acceptor.clone();
            self = self.add(listener, true, async move |stream| acceptor.accept(stream).await)?;
        }
        Ok(self)
    }

    /// The addresses it listens on.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How many connections may be open: [`FrontOptions::max_connections`], or what the limit of open files leaves, if that is less.
    pub const fn max_connections(&self) -> usize {
        self.connections.max()
    }

    /// Starts the workers. The server runs as long as it is awaited; signals are the caller's to handle.
    ///
    /// # Panics
    /// Nothing was bound.
    pub fn run(self) -> Server {
        self.builder.disable_signals().shutdown_timeout(1).run()
    }

    /// Adds a listening socket, whose connections `accept` turns into what is read and written.
    fn add<T: Stream>(
        mut self,
        listener: TcpListener,
        secure: bool,
        accept: impl AsyncFn(TcpStream) -> std::io::Result<T> + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (bayeux, options, application) = (self.bayeux.clone(), self.options.clone(), self.application.clone());
        let connections = self.connections.clone();
        let factory = move || {
            let endpoint = Endpoint { bayeux: bayeux.clone(), options: options.clone(), secure };
            let parts = (application.clone(), Rc::new(endpoint), accept.clone(), connections.clone());
            fn_factory(move || {
                let (application, endpoint, accept, connections) = parts.clone();
                async move {
                    worker::start_pump(&endpoint.bayeux);
                    let application = application::start(&application, endpoint.clone(), address).await?;
                    let worker = Rc::new(Worker { endpoint, application, accept });
                    Ok::<_, ()>(fn_service(move |stream| run(worker.clone(), connections.enter(), stream)))
                }
            })
        };
        self.builder = self.builder.listen("bayeux", listener, factory)?;
        self.addresses.push(address);
        Ok(self)
    }
}

/// One worker's part of a listening socket.
struct Worker<T, A> {
    endpoint: Rc<Endpoint>,
    application: Application<T>,
    accept: A,
}

/// A connection from its beginning to its end.
async fn run<T: Stream, A>(worker: Rc<Worker<T, A>>, entry: Entry, stream: TcpStream) -> Result<(), ()>
where
    A: AsyncFn(TcpStream) -> std::io::Result<T>,
{
    let endpoint = &worker.endpoint;
    let _open = Open::new();
    listener::prepare(&stream, &endpoint.options);
    let peer = stream.peer_addr().map_err(drop)?;
    let patience = match entry {
        Entry::Place(_) => endpoint.options.head_timeout,
        Entry::Refused { .. } => endpoint.options.head_timeout.min(REFUSAL),
    };
    // Boxed: most connections have it behind them for most of their life.
    let accepted = Box::pin(timeout(patience, (worker.accept)(stream))).await;
    let Ok(Ok(io)) = accepted else {
        count(&endpoint.bayeux.counters().handshakes_failed);
        return Ok(());
    };
    let _place = match entry {
        Entry::Place(place) => place,
        Entry::Refused { place: _place, hurry } => {
            count(&endpoint.bayeux.counters().connections_refused);
            Box::pin(connection::refuse(endpoint, io, peer.ip(), hurry)).await;
            return Ok(());
        }
    };
    // Boxed too: what reading requests takes is given back when the connection becomes a socket.
    match Box::pin(connection::serve(endpoint, io, peer.ip())).await {
        Outcome::Over => {}
        Outcome::Socket(io, socket) => socket::drive(&endpoint.bayeux, io, socket).await,
        Outcome::Foreign(io, read) => {
            // How it ends is between the application and its peer.
            let _ = worker.application.call((Prefixed::new(read, io), Some(peer))).await;
        }
    }
    Ok(())
}

/// Listens on every address that can be listened on; fails if none can.
fn listeners(addresses: impl ToSocketAddrs) -> std::io::Result<Vec<TcpListener>> {
    let (mut bound, mut failed) = (Vec::new(), None);
    for address in addresses.to_socket_addrs()? {
        match listener::listen(address) {
            Ok(listener) => bound.push(listener),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if bound.is_empty() => Err(error),
        None if bound.is_empty() => Err(std::io::Error::other("no address to listen on")),
        _ => Ok(bound),
    }
}
