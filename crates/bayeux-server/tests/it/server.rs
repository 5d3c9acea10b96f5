//! A server on a free port, in a thread of its own, for the length of a test.

use std::{
    net::SocketAddr,
    sync::{Arc, Barrier, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, middleware, web};
use bayeux_server::{AllowedOrigins, Bayeux, FrontOptions, Options, ServerConfig, serve};

/// What reads and writes the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// actix, with Bayeux as a service of an application.
    Mounted,
    /// Our own, with the application beside it.
    Own,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) bayeux: Bayeux,
    /// Holds up the worker that serves `/gate`.
    pub(crate) gate: Arc<Gate>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// Both ways are passed by two: the worker and the test.
pub(crate) struct Gate {
    pub(crate) entered: Barrier,
    pub(crate) left: Barrier,
}

/// Short times, one listed origin, two workers, every transport.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.engine.timeout = Duration::from_millis(400);
    options.allow_origin = AllowedOrigins::parse(["https://listed.example"]).expect("an origin");
    options.shards = 2;
    options.offer_callback_polling();
    options
}

impl Server {
    pub(crate) fn start(front: Front) -> Self {
        Self::with(front, options())
    }

    pub(crate) fn with(front: Front, options: Options) -> Self {
        Self::with_limits(front, options, FrontOptions::default())
    }

    /// At `/bayeux` and, as an application may, in a scope, beside another route.
    pub(crate) fn with_limits(front: Front, options: Options, limits: FrontOptions) -> Self {
        Self::run(front, options, limits, None)
    }

    pub(crate) fn with_tls(config: Arc<ServerConfig>) -> Self {
        Self::with_tls_and_limits(config, FrontOptions::default())
    }

    pub(crate) fn with_tls_and_limits(config: Arc<ServerConfig>, limits: FrontOptions) -> Self {
        Self::run(Front::Own, options(), limits, Some(config))
    }

    fn run(front: Front, options: Options, limits: FrontOptions, tls: Option<Arc<ServerConfig>>) -> Self {
        let bayeux = Bayeux::new(options).expect("the options are sound");
        let served = bayeux.clone();
        let gate = Arc::new(Gate { entered: Barrier::new(2), left: Barrier::new(2) });
        let of_workers = gate.clone();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let (address, server) = match front {
                    Front::Mounted => mounted(served),
                    Front::Own => own(served, limits, tls, of_workers),
                };
                tell.send((address, server.handle())).expect("the test waits");
                server.await.expect("the server runs");
            });
        });
        let (address, handle) = told.recv().expect("the server starts");
        Self { address, bayeux, gate, handle, thread: Some(thread) }
    }

    /// Tells every client, in this thread; the server goes on until it is dropped.
    pub(crate) fn shut_down(&self) {
        actix_rt::System::new().block_on(self.bayeux.shutdown(Duration::from_secs(5)));
    }
}

fn mounted(bayeux: Bayeux) -> (SocketAddr, actix_web::dev::Server) {
    let server = HttpServer::new(move || {
        App::new()
            .service(bayeux.service("/bayeux"))
            .service(web::scope("/deep").service(bayeux.service("/er/comet")))
            .route("/other", web::get().to(other))
    })
    .workers(2)
    .h1_allow_half_closed(false)
    .tcp_nodelay(true)
    .disable_signals()
    .shutdown_timeout(1)
    .bind(("127.0.0.1", 0))
    .expect("a free port");
    (server.addrs()[0], server.run())
}

fn own(
    bayeux: Bayeux,
    limits: FrontOptions,
    tls: Option<Arc<ServerConfig>>,
    gate: Arc<Gate>,
) -> (SocketAddr, actix_web::dev::Server) {
    let mounted = bayeux.clone();
    let front = serve(bayeux, limits, move || {
        App::new()
            .service(web::scope("/deep").service(mounted.service("/er/comet")))
            .wrap(middleware::DefaultHeaders::new().add(("X-Application", "yes")))
            .route("/other", web::get().to(other))
            .app_data(web::Data::from(gate.clone()))
            .route("/gate", web::get().to(pass))
            .route("/peer", web::get().to(peer))
            .route("/echo", web::post().to(|body: web::Bytes| async { HttpResponse::Ok().body(body) }))
    });
    let front = match tls {
        Some(config) => front.bind_tls(("127.0.0.1", 0), config),
        None => front.bind(("127.0.0.1", 0)),
    };
    let front = front.expect("a free port");
    (front.addrs()[0], front.run())
}

async fn pass(gate: web::Data<Gate>) -> HttpResponse {
    gate.entered.wait();
    gate.left.wait();
    HttpResponse::NoContent().finish()
}

async fn peer(request: HttpRequest) -> HttpResponse {
    let info = request.connection_info().scheme().to_owned();
    let peer = request.peer_addr().map(|address| address.to_string()).unwrap_or_default();
    HttpResponse::Ok().body(format!("{info} {peer}"))
}

async fn other() -> HttpResponse {
    HttpResponse::Ok().body("other")
}

impl Drop for Server {
    fn drop(&mut self) {
        let handle = self.handle.clone();
        actix_rt::System::new().block_on(async move { handle.stop(false).await });
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server thread ends well");
        }
    }
}

/// Looks again and again, giving way to the server's threads, until it is so.
pub(crate) fn wait_until(mut so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < until, "it never came to be");
        std::thread::yield_now();
    }
}
