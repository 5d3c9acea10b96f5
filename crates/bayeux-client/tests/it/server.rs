//! A server of this project, in a thread of its own, for as long as a test wants it.

use std::{net::SocketAddr, sync::mpsc, thread::JoinHandle, time::Duration};

use actix_web::{App, dev::ServerHandle};
use bayeux_server::{Bayeux, FrontOptions, Options, serve};

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
        let bayeux = Bayeux::new(options).expect("the options are sound");
        let served = bayeux.clone();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let front =
                    serve(served, FrontOptions::default(), App::new).bind(("127.0.0.1", 0)).expect("a free port");
                let address = front.addrs()[0];
                let server = front.run();
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
