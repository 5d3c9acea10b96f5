//! A relay between client and server that can be cut, cuts at random, and counts.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncReadExt, copy, copy_bidirectional},
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
    /// Of a relay that cuts: how many bytes of a server a connection carries at most, and the chance that chooses.
    cuts_within: Option<u64>,
    random: Mutex<fastrand::Rng>,
    cuts: AtomicUsize,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        Self::start(target, None, 0).await
    }

    /// Each connection is cut after at most so many bytes of the server, however many they are; a seed decides.
    pub(crate) async fn cutting(target: SocketAddr, within: u64, seed: u64) -> Self {
        Self::start(target, Some(within), seed).await
    }

    async fn start(target: SocketAddr, cuts_within: Option<u64>, seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            target: Mutex::new(Some(target)),
            open: Mutex::default(),
            accepted: watch::Sender::new(0),
            cuts_within,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            cuts: AtomicUsize::new(0),
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

    /// Connections that were cut at random so far.
    pub(crate) fn cuts(&self) -> usize {
        self.shared.cuts.load(Relaxed)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((mut from, _)) = listener.accept().await {
        shared.accepted.send_modify(|accepted| *accepted += 1);
        let Some(target) = *shared.target.lock().expect("nobody panics") else { continue };
        let carried = shared.cuts_within.map(|within| shared.random.lock().expect("nobody panics").u64(1..=within));
        let relay = shared.clone();
        shared.open.lock().expect("nobody panics").spawn(async move {
            let Ok(mut to) = TcpStream::connect(target).await else { return };
            // However it ends, it has ended.
            let _ = match carried {
                None => copy_bidirectional(&mut from, &mut to).await.map(drop),
                Some(bytes) => carry(from, to, bytes, &relay.cuts).await,
            };
        });
    }
}

/// Carries so many bytes of the server, and cuts.
async fn carry(client: TcpStream, server: TcpStream, bytes: u64, cuts: &AtomicUsize) -> io::Result<()> {
    let (mut client_reads, mut client_writes) = client.into_split();
    let (server_reads, mut server_writes) = server.into_split();
    let mut server_reads = server_reads.take(bytes);
    tokio::select! {
        ended = copy(&mut client_reads, &mut server_writes) => ended.map(drop),
        ended = copy(&mut server_reads, &mut client_writes) => {
            if server_reads.limit() == 0 {
                cuts.fetch_add(1, Relaxed);
            }
            ended.map(drop)
        }
    }
}
