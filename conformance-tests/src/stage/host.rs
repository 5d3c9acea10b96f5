//! The listener, and which stage a path belongs to.

use super::Stage;
use super::connection::serve;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpListener;

/// Listens for clients. The first segment of a path names the stage.
pub struct Host {
    pub(super) address: SocketAddr,
    stages: RefCell<BTreeMap<String, Rc<Stage>>>,
}

impl Host {
    /// Listens at an address. Must run within a [`tokio::task::LocalSet`].
    pub async fn start(address: &str) -> std::io::Result<Rc<Self>> {
        let listener = TcpListener::bind(address).await?;
        let host = Rc::new(Self { address: listener.local_addr()?, stages: RefCell::default() });
        let accepting = host.clone();
        tokio::task::spawn_local(async move {
            loop {
                // What can't be accepted is the client's loss alone.
                let Ok((tcp, _)) = listener.accept().await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                tokio::task::spawn_local(serve(accepting.clone(), tcp));
            }
        });
        Ok(host)
    }

    /// The URL of a stage.
    pub(super) fn url(&self, name: &str) -> String {
        // By its name: some clients keep no cookies for addresses.
        let host = if self.address.ip().is_loopback() { "localhost".to_owned() } else { self.address.ip().to_string() };
        format!("http://{host}:{}/{name}/bayeux", self.address.port())
    }

    pub(super) fn open(&self, name: &str, stage: Rc<Stage>) {
        self.stages.borrow_mut().insert(name.to_owned(), stage);
    }

    pub(super) fn close(&self, name: &str) {
        self.stages.borrow_mut().remove(name);
    }

    pub(super) fn stage(&self, path: &str) -> Option<Rc<Stage>> {
        let name = path.trim_start_matches('/').split('/').next()?;
        self.stages.borrow().get(name).cloned()
    }
}
