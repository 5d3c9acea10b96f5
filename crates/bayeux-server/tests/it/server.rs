//! A server on a free port, in a thread of its own, for the length of a test.

use std::{net::SocketAddr, sync::mpsc, thread::JoinHandle, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};
use bayeux_server::{AllowedOrigins, Bayeux, Options};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) bayeux: Bayeux,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// Short times, one listed origin, two workers.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.engine.timeout = Duration::from_millis(400);
    options.allow_origin = AllowedOrigins::parse(["https://listed.example"]).expect("an origin");
    options.shards = 2;
    options
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(options())
    }

    /// Mounted at `/bayeux` and, as an application may, in a scope, beside another route.
    pub(crate) fn with(options: Options) -> Self {
        let bayeux = Bayeux::new(options).expect("the options are sound");
        let mounted = bayeux.clone();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    App::new()
                        .service(mounted.service("/bayeux"))
                        .service(web::scope("/deep").service(mounted.service("/er/comet")))
                        .route("/other", web::get().to(|| async { HttpResponse::Ok().body("other") }))
                })
                .workers(2)
                .h1_allow_half_closed(false)
                .disable_signals()
                .shutdown_timeout(1)
                .bind(("127.0.0.1", 0))
                .expect("a free port");
                let address = server.addrs()[0];
                let server = server.run();
                tell.send((address, server.handle())).expect("the test waits");
                server.await.expect("the server runs");
            });
        });
        let (address, handle) = told.recv().expect("the server starts");
        Self { address, bayeux, handle, thread: Some(thread) }
    }

    /// Tells every client, in this thread; the server goes on until it is dropped.
    pub(crate) fn shut_down(&self) {
        actix_rt::System::new().block_on(self.bayeux.shutdown(Duration::from_secs(5)));
    }
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
