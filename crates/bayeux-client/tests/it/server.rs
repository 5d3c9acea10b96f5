//! A server of this project, in a thread of its own, for as long as a test wants it.

use std::{
    future::ready,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{ServerHandle, Service, ServiceResponse},
};
use bayeux_server::{Bayeux, FrontOptions, Options, serve, tls_config};
use futures_util::{TryFutureExt, future::Either};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) bayeux: Bayeux,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// Connects are held for a second. A session needs its cookie, also where it moves to a WebSocket.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.engine.timeout = Duration::from_secs(1);
    options.engine.adopt_window = Duration::ZERO;
    options.shards = 2;
    options
}

impl Server {
    pub(crate) fn start(options: Options) -> Self {
        Self::with(options, |served| {
            let front = serve(served, FrontOptions::default(), App::new).bind(("127.0.0.1", 0)).expect("a free port");
            (front.addrs()[0], front.run())
        })
    }

    /// With this certificate and key, in PEM.
    pub(crate) fn with_tls(options: Options, certificate: &str, key: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("bayeux-client-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        let (certificate_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&certificate_file, certificate).expect("a file");
        std::fs::write(&key_file, key).expect("a file");
        let config = tls_config(&certificate_file, &key_file).expect("sound files");
        std::fs::remove_dir_all(&folder).expect("it was read");
        Self::with(options, |served| {
            let front = serve(served, FrontOptions::default(), App::new).bind_tls(("localhost", 0), config);
            let front = front.expect("a free port");
            (front.addrs()[0], front.run())
        })
    }

    /// Mounted in an application that answers 401 to requests without the token of this number.
    pub(crate) fn guarded(options: Options, token: Arc<AtomicU32>) -> Self {
        Self::with(options, move |served| {
            let app = move || {
                let token = token.clone();
                App::new().service(served.service("/bayeux")).wrap_fn(move |request, service| {
                    let wanted = format!("Bearer {}", token.load(Relaxed));
                    let found = request.headers().get("Authorization").and_then(|value| value.to_str().ok());
                    if found == Some(&wanted) {
                        Either::Left(service.call(request).map_ok(ServiceResponse::map_into_boxed_body))
                    } else {
                        let refused = request.into_response(HttpResponse::Unauthorized().finish());
                        Either::Right(ready(Ok(refused)))
                    }
                })
            };
            let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", 0)).expect("a free port");
            (server.addrs()[0], server.run())
        })
    }

    fn with(
        options: Options,
        run: impl FnOnce(Bayeux) -> (SocketAddr, actix_web::dev::Server) + Send + 'static,
    ) -> Self {
        let bayeux = Bayeux::new(options).expect("the options are sound");
        let served = bayeux.clone();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let (address, server) = run(served);
                tell.send((address, server.handle())).expect("the test waits");
                server.await.expect("the server runs");
            });
        });
        let (address, handle) = told.recv().expect("the server starts");
        Self { address, bayeux, handle, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/bayeux", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let handle = self.handle.clone();
        // In a thread of its own, since the test may be in a runtime.
        let stop = std::thread::spawn(move || actix_rt::System::new().block_on(handle.stop(false)));
        stop.join().expect("the server is told");
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server thread ends well");
        }
    }
}
