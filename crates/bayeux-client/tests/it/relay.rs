//! A relay between client and server that can be cut, and counts.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where to; nowhere while there is an outage: then connections are ended as they come.
    target: Mutex<Option<SocketAddr>>,
    open: Mutex<JoinSet<()>>,
    accepted: watch::Sender<usize>,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            target: Mutex::new(Some(target)),
            open: Mutex::default(),
            accepted: watch::Sender::new(0),
        });
        tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/bayeux", self.address)
    }

    /// Ends all connections; new ones go there, or nowhere.
    pub(crate) fn turn(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock().expect("nobody panics") = target;
        self.cut();
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        self.shared.open.lock().expect("nobody panics").abort_all();
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> watch::Receiver<usize> {
        self.shared.accepted.subscribe()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((mut from, _)) = listener.accept().await {
        shared.accepted.send_modify(|accepted| *accepted += 1);
        let Some(target) = *shared.target.lock().expect("nobody panics") else { continue };
        shared.open.lock().expect("nobody panics").spawn(async move {
            if let Ok(mut to) = TcpStream::connect(target).await {
                // However it ends, it has ended.
                let _ = copy_bidirectional(&mut from, &mut to).await;
            }
        });
    }
}
