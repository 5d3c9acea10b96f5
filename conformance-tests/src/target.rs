//! The server under test: where it is, what it wants of every client, and what is known of it.

use crate::budget::Budget;
use crate::json::Json;
use crate::peer::{PUBLISH_ACK, Transport};
use crate::wire::stream::{Address, tls};
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

/// A server, and how to talk to it.
#[derive(Clone)]
pub struct Target {
    /// The endpoint as it was given.
    pub url: Url,
    /// Where to connect.
    pub address: Address,
    /// What goes into every request's head.
    pub headers: Vec<(String, String)>,
    /// What goes into every handshake's `ext`, for servers that want a login.
    pub ext: Option<Json>,
    /// What it can do, as discovery found: `websocket`, `form`, `ack` …
    pub capabilities: BTreeSet<String>,
    /// Transports that it offers and does not serve, with what came instead.
    pub broken: BTreeMap<Transport, String>,
    /// Transports over which it answers no publishes, though it does over others.
    pub silent: BTreeSet<Transport>,
    /// Facts that discovery found and that reports show, by name.
    pub facts: BTreeMap<String, String>,
    /// Its times.
    pub budget: Budget,
}

impl Target {
    /// A server at an `http`, `https`, `ws` or `wss` URL. `trusted` is a PEM file's content, beside the system's.
    pub fn new(url: &str, trusted: Option<&[u8]>) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("{url:?} is no URL: {error}"))?;
        let secure = match url.scheme() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            other => return Err(format!("{url}: the scheme is {other}, it should be http, https, ws or wss")),
        };
        let host = url.host_str().ok_or_else(|| format!("{url} names no host"))?;
        let address = Address {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().unwrap_or(if secure { 443 } else { 80 }),
            tls: if secure { Some(tls(trusted)?) } else { None },
        };
        Ok(Self {
            address,
            headers: Vec::new(),
            ext: None,
            capabilities: BTreeSet::new(),
            broken: BTreeMap::new(),
            silent: BTreeSet::new(),
            facts: BTreeMap::new(),
            budget: Budget::default(),
            url,
        })
    }

    /// The value of the Host field.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Path and query of the endpoint, with a suffix to the path.
    pub fn path(&self, suffix: &str) -> String {
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{suffix}{query}", self.url.path())
    }

    /// Whether discovery found this.
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    /// Whether publishes over this transport are answered.
    pub fn answers_publishes(&self, transport: Transport) -> bool {
        self.can(PUBLISH_ACK) && !self.silent.contains(&transport)
    }
}
