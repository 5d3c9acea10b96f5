//! The WebSocket. It is opened by the HTTP client, so that it has its proxies, cookies, headers and certificates.

use std::{sync::Arc, time::Duration};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use reqwest::{
    StatusCode, Upgraded, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use tokio::{
    sync::mpsc::{Sender, UnboundedReceiver},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message as Frame,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};

use super::http::{Http, connection_fault};
use crate::{
    auth::{Auth, Token, is_refused, refuses_handshake},
    core::{ConnectionId, Input},
    error::NetworkFault,
};

/// How long a goodbye may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is read at a time: a session that is idle keeps it.
const READ_BUFFER: usize = 16 * 1024;

type Stream = WebSocketStream<Upgraded>;

/// Opens one, and serves it until it ends or nobody sends on it any more.
pub(super) async fn run(
    http: Http,
    connection: ConnectionId,
    host: Option<Arc<str>>,
    outgoing: UnboundedReceiver<Vec<u8>>,
    events: Sender<Input>,
) {
    // Nobody listens any more if the client has ended.
    let fault = match open(&http, host.as_deref()).await {
        Ok(socket) => {
            let _ = events.send(Input::Opened(connection)).await;
            let (sink, stream) = socket.split();
            tokio::select! {
                fault = write(sink, outgoing) => fault,
                fault = read(&http, connection, stream, &events) => fault,
            }
        }
        Err(fault) => fault,
    };
    let _ = events.send(Input::Lost(connection, fault)).await;
}

/// Opens one; once more with another token, if the server does not believe the first.
async fn open(http: &Http, host: Option<&str>) -> Result<Stream, NetworkFault> {
    let token = http.token().await?;
    match (upgrade(http, host, token.as_ref()).await, &http.auth) {
        (Err(NetworkFault::Status(status)), Some(auth)) if is_refused(status) => {
            let another = auth.another(token.as_ref()).await?;
            upgrade(http, host, Some(&another)).await
        }
        (opened, _) => opened,
    }
}

/// The handshake of RFC 6455 (BX-WS-1). No subprotocol or extension is asked for, so none may be chosen (BX-WS-6).
async fn upgrade(http: &Http, host: Option<&str>, token: Option<&Token>) -> Result<Stream, NetworkFault> {
    let key = generate_key();
    let request = http.dress(http.client.get(http.url(host)?), token).version(Version::HTTP_11);
    let request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "websocket");
    let request = request.header(SEC_WEBSOCKET_VERSION, "13").header(SEC_WEBSOCKET_KEY, &key);
    let response = request.send().await.map_err(|error| connection_fault(&error))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(NetworkFault::Status(response.status().as_u16()));
    }
    let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(|accept| accept.as_bytes());
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(NetworkFault::Unreadable("this is no handshake of a WebSocket".into()));
    }
    if response.headers().contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err(NetworkFault::Unreadable("the WebSocket has an extension that was not asked for".into()));
    }
    let stream = response.upgrade().await.map_err(|error| connection_fault(&error))?;
    let limit = Some(http.limits.max_bytes);
    let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
    let config = config.read_buffer_size(READ_BUFFER).write_buffer_size(0);
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await)
}

/// Writes each batch as one text message (BX-WS-2).
async fn write(mut sink: SplitSink<Stream, Frame>, mut outgoing: UnboundedReceiver<Vec<u8>>) -> NetworkFault {
    while let Some(batch) = outgoing.recv().await {
        let Ok(text) = String::from_utf8(batch) else { continue };
        if let Err(error) = sink.send(Frame::text(text)).await {
            return fault_of(&error);
        }
    }
    // If it can't be closed in time, it is dropped.
    let _ = timeout(FAREWELL, sink.close()).await;
    NetworkFault::SocketClosed(None)
}

/// Reads batches. What is no text means nothing; text that is no batch ends it, since something may be lost (BX-CLI-1).
async fn read(
    http: &Http,
    connection: ConnectionId,
    mut stream: SplitStream<Stream>,
    events: &Sender<Input>,
) -> NetworkFault {
    loop {
        match stream.next().await {
            Some(Ok(Frame::Text(text))) => match http.decode(text.as_bytes()) {
                Ok(messages) => {
                    // The next handshake is to have another token.
                    if let Some(auth) = http.auth.as_ref().filter(|_| refuses_handshake(&messages))
                        && let Err(fault) = renew(auth).await
                    {
                        return fault;
                    }
                    let _ = events.send(Input::Received(connection, messages)).await;
                }
                Err(fault) => return fault,
            },
            Some(Ok(Frame::Close(frame))) => return NetworkFault::SocketClosed(frame.map(|frame| frame.code.into())),
            Some(Ok(Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => {}
            Some(Err(error)) => return fault_of(&error),
            None => return NetworkFault::SocketClosed(None),
        }
    }
}

async fn renew(auth: &Auth) -> Result<(), NetworkFault> {
    let refused = auth.token().await?;
    auth.another(Some(&refused)).await.map(drop)
}

fn fault_of(error: &tungstenite::Error) -> NetworkFault {
    match error {
        tungstenite::Error::Capacity(tungstenite::error::CapacityError::MessageTooLong { max_size, .. }) => {
            NetworkFault::TooLarge { limit: *max_size }
        }
        error => NetworkFault::Connection(error.to_string().into()),
    }
}
