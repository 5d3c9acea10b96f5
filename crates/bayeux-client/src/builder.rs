//! `ClientBuilder`: what an application chooses before it connects.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Url,
    header::{COOKIE, HeaderMap, HeaderName, HeaderValue},
};

use crate::{
    auth::{Auth, TokenSource},
    client::Client,
    core::{Config, Core, Transports},
    driver::Http,
    error::{ApplicationFault, Doing, Error},
    extension::Extension,
    limits::Limits,
    roots::Roots,
};

/// Makes a [`Client`].
///
/// ```no_run
/// # async fn f() -> Result<(), bayeux_client::Error> {
/// use bayeux_client::{Client, Transports};
///
/// let client = Client::builder("https://example.org/bayeux")
///     .header("Authorization", "Bearer 0123")
///     .transports(Transports::LongPolling)
///     .acknowledge(true)
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing before `connect` or `start`"]
pub struct ClientBuilder {
    url: String,
    config: Config,
    headers: Vec<(String, String)>,
    limits: Limits,
    http: Option<reqwest::Client>,
    roots: Roots,
    extensions: Vec<Box<dyn Extension>>,
    patience: Duration,
    auth: Option<Auth>,
}

impl ClientBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            config: Config { seed: fastrand::u64(..), ..Config::default() },
            headers: Vec::new(),
            limits: Limits::default(),
            http: None,
            roots: Roots::default(),
            extensions: Vec::new(),
            patience: Duration::from_secs(30),
            auth: None,
        }
    }

    /// A header for every request, that which opens a WebSocket included. `Cookie` is refused: the server's own, which binds a session,
    /// would not be sent beside it; give an HTTP client whose jar has yours.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A bearer token for every request, asked for when it is needed: at the start, before it expires, and after a refusal with 401 or
    /// 403, by HTTP or as the error of a handshake or connect. A session whose connect is refused so is followed by another, with another
    /// token, even if the advice is to give up: that is what servers mean which revoke tokens, such as Salesforce's.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), bayeux_client::Error> {
    /// use bayeux_client::{Client, Token};
    ///
    /// let client = Client::builder("https://example.org/bayeux")
    ///     .token(|| async { std::fs::read_to_string("/run/secrets/token").map(Token::new) })
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn token(mut self, source: impl TokenSource + 'static) -> Self {
        self.auth = Some(Auth::new(source));
        self.config.renews_tokens = true;
        self
    }

    /// Puts the token into the handshake too, under this key of its `ext`; without `in_header`, there alone. To be called behind
    /// [`ClientBuilder::token`], else it does nothing.
    pub fn token_in_ext(mut self, key: &str, in_header: bool) -> Self {
        if let Some(auth) = &mut self.auth {
            (auth.in_ext, auth.in_header) = (Some(key.to_owned()), in_header);
        }
        self
    }

    /// Which transports are used. Default: [`Transports::MoveUp`].
    pub const fn transports(mut self, transports: Transports) -> Self {
        self.config.transports = transports;
        self
    }

    /// Whether acknowledgements are asked for (the extension `ack` of CometD): what was lost on the way is sent again, and each
    /// message comes once. Needs a server that has it, and costs a request for each batch of messages. Default: false.
    pub const fn acknowledge(mut self, acknowledge: bool) -> Self {
        self.config.ack = acknowledge;
        self
    }

    /// Adds an extension.
    pub fn extension(mut self, extension: impl Extension + 'static) -> Self {
        self.extensions.push(Box::new(extension));
        self
    }

    /// For how long [`ClientBuilder::connect`] tries. Default 30 s.
    pub const fn connect_timeout(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// For how long the reply to a request is waited for; to a connect, beyond the time for which the server holds it.
    /// Default 10 s.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.config.request_timeout = timeout;
        self.config.network_allowance = timeout;
        self.config.open_timeout = timeout;
        self
    }

    /// The pauses after failures: a random part of `first`, then of twice that and so on, up to `longest`. Default 250 ms and
    /// 30 s.
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.config.first_pause = first;
        self.config.longest_pause = longest;
        self
    }

    /// What may wait to be sent while there is no connection, in messages and bytes of data. One more is refused with
    /// [`ApplicationFault::QueueFull`]; what was taken is never dropped for it. Default: 1,000 and 8 MiB.
    pub const fn queue(mut self, messages: usize, bytes: usize) -> Self {
        self.config.queue_messages = messages;
        self.config.queue_bytes = bytes;
        self
    }

    /// What the server may send at a time.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether other servers that the advice names are tried, with the same headers. Default: true.
    pub const fn follow_hosts(mut self, follow: bool) -> Self {
        self.config.follow_hosts = follow;
        self
    }

    /// Whose certificates are believed. Default: [`Roots::System`]. Of no effect with an HTTP client of one's own.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// The HTTP client to use, with its own TLS, proxies, cookies and pool. [`http_client_builder`](crate::http_client_builder) makes one
    /// that is changed little; one that is begun by `reqwest::Client::builder` needs TLS to be set, else reqwest panics.
    ///
    /// It should keep cookies, since servers bind sessions to them, have no timeout for whole requests, since connects are held,
    /// and be limited to HTTP/1.1 if a WebSocket is wanted. By default: [`Roots`] for certificates, proxies from
    /// the environment, cookies kept, no redirects.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http = Some(client);
        self
    }

    /// Connects, and waits until that has succeeded. Must be called in a runtime of tokio, actix's included.
    ///
    /// Cancel safe: if it is dropped, so is the client.
    ///
    /// # Errors
    /// An option is wrong, the server refuses for good, or it could not be reached within [`ClientBuilder::connect_timeout`]:
    /// then the error is that of the last attempt.
    pub async fn connect(self) -> Result<Client, Error> {
        let patience = self.patience;
        let client = self.start()?;
        client.wait_until_connected(patience).await?;
        Ok(client)
    }

    /// Begins to connect, and does not wait. What is asked for meanwhile is done once there is a connection. Must be called in
    /// a runtime of tokio.
    ///
    /// # Errors
    /// An option is wrong.
    pub fn start(self) -> Result<Client, Error> {
        let wrong =
            |what: String| Error::Application { doing: Doing::Building, fault: ApplicationFault::Option(what.into()) };
        let url = Url::parse(&self.url).map_err(|error| wrong(format!("{:?} is no URL: {error}", self.url)))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong(format!("{:?} is no URL of http or https", self.url)));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let parsed = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value.as_str()).ok());
            let Some((parsed, mut value)) = parsed else { return Err(wrong(format!("the header {name:?} is none"))) };
            if parsed == COOKIE {
                return Err(wrong(
                    "a header \"Cookie\" would take the place of the server's; see `http_client`".into(),
                ));
            }
            value.set_sensitive(true);
            headers.append(parsed, value);
        }
        let client = match self.http {
            Some(client) => client,
            None => self.roots.http_client().map_err(wrong)?,
        };
        let http = Http { client, url, headers, limits: self.limits, auth: self.auth.map(Arc::new) };
        Ok(Client::start(Core::new(self.config, self.extensions), http))
    }
}
