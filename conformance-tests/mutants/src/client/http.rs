//! Requests over HTTP, each on a connection of its own.

use crate::client::{Client, Lost};
use crate::defect::Defect;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use hyper_util::rt::TokioIo;
use std::str::FromStr;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The largest body that is read.
const MAX_BODY: usize = 4 << 20;

/// Where the server is.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) path: String,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or("it begins with http://")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self { host: host.to_owned(), path: format!("/{path}") })
    }
}

impl Endpoint {
    /// A connection to it.
    pub(crate) async fn connect(&self) -> Result<TcpStream, Lost> {
        let stream = TcpStream::connect(&self.host).await.map_err(|_| Lost::Broken)?;
        stream.set_nodelay(true).map_err(|_| Lost::Broken)?;
        Ok(stream)
    }
}

/// Posts a batch, and returns the body of the response.
pub(crate) async fn post(client: &Client, batch: String) -> Result<Vec<u8>, Lost> {
    let stream = client.endpoint.connect().await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Lost::Broken)?;
    // It ends with this request.
    let mut driver = JoinSet::new();
    driver.spawn_local(connection);
    let kind = if client.has(Defect::TextPlain) { "text/plain" } else { "application/json;charset=UTF-8" };
    let mut request =
        Request::post(&client.endpoint.path).header(HOST, &client.endpoint.host).header(CONTENT_TYPE, kind);
    if let Some(cookie) = client.cookie().filter(|_| !client.has(Defect::CookieForgotten)) {
        request = request.header(COOKIE, cookie);
    }
    let request = request.body(Full::new(Bytes::from(batch))).map_err(|_| Lost::Broken)?;
    let response = sender.send_request(request).await.map_err(|_| Lost::Broken)?;
    if let Some(cookie) = response.headers().get(SET_COOKIE).and_then(|field| field.to_str().ok()) {
        client.set_cookie(cookie.split(';').next().unwrap_or_default());
    }
    if !response.status().is_success() {
        return Err(Lost::Status);
    }
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_| Lost::Broken)?.into_data() else { continue };
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(Lost::Unreadable);
        }
        if client.has(Defect::CharacterSplitByChunks) {
            bytes.extend_from_slice(String::from_utf8_lossy(&chunk).as_bytes());
        } else {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes)
}
