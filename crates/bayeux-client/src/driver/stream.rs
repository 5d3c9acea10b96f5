//! A connect whose response is a stream: `eventsource` by GET, `xhr-streaming` by POST (BX-ST-7, BX-ST-8).

use std::sync::Arc;

use bayeux_protocol::{ConnectionType, Message, encode_batch};
use reqwest::{
    Response,
    header::{ACCEPT, CONTENT_TYPE},
};
use tokio::sync::mpsc::Sender;

use super::{
    framing::{Framing, Piece},
    http::{Http, connection_fault},
};
use crate::{
    auth::{Token, is_refused},
    core::{ConnectionId, Input},
    error::NetworkFault,
};

/// Sends the connect, and reports all that comes, to the end.
pub(super) async fn run(
    http: Http,
    connection: ConnectionId,
    host: Option<Arc<str>>,
    kind: ConnectionType,
    batch: Vec<Message>,
    events: Sender<Input>,
) {
    let end = match open(&http, host.as_deref(), &kind, &batch).await {
        Ok(response) => read(&http, connection, &kind, response, &events).await,
        Err(fault) => Err(fault),
    };
    let event = match end {
        Ok(()) => Input::Ended(connection),
        Err(fault) => Input::Lost(connection, fault),
    };
    // Nobody listens any more if the client has ended.
    let _ = events.send(event).await;
}

/// Once more with another token, if the server does not believe the first.
async fn open(
    http: &Http,
    host: Option<&str>,
    kind: &ConnectionType,
    batch: &[Message],
) -> Result<Response, NetworkFault> {
    let token = http.token().await?;
    match (ask(http, host, kind, batch, token.as_ref()).await, &http.auth) {
        (Err(NetworkFault::Status(status)), Some(auth)) if is_refused(status) => {
            let another = auth.another(token.as_ref()).await?;
            ask(http, host, kind, batch, Some(&another)).await
        }
        (opened, _) => opened,
    }
}

async fn ask(
    http: &Http,
    host: Option<&str>,
    kind: &ConnectionType,
    batch: &[Message],
    token: Option<&Token>,
) -> Result<Response, NetworkFault> {
    let mut url = http.url(host)?;
    let body = encode_batch(batch);
    let request = if *kind == ConnectionType::EventSource {
        url.query_pairs_mut().append_pair("message", &String::from_utf8_lossy(&body));
        http.client.get(url).header(ACCEPT, "text/event-stream")
    } else {
        http.client.post(url).header(CONTENT_TYPE, "application/json").body(body)
    };
    let response = http.dress(request, token).send().await.map_err(|error| connection_fault(&error))?;
    if !response.status().is_success() {
        return Err(NetworkFault::Status(response.status().as_u16()));
    }
    Ok(response)
}

/// A server that does not stream after all answers as it does by long-polling.
async fn read(
    http: &Http,
    connection: ConnectionId,
    kind: &ConnectionType,
    mut response: Response,
    events: &Sender<Input>,
) -> Result<(), NetworkFault> {
    let is_of_type = |kind: &str| {
        response.headers().get(CONTENT_TYPE).is_some_and(|found| found.as_bytes().starts_with(kind.as_bytes()))
    };
    if is_of_type("application/json") {
        let messages = http.decode(&http.body(response).await?)?;
        let _ = events.send(Input::Received(connection, messages)).await;
        return Ok(());
    }
    if *kind == ConnectionType::EventSource && !is_of_type("text/event-stream") {
        return Err(NetworkFault::Unreadable("it is no event stream".into()));
    }
    let mut framing = Framing::new(kind, http.limits.max_bytes);
    while let Some(chunk) = response.chunk().await.map_err(|error| connection_fault(&error))? {
        for piece in framing.read(&chunk)? {
            let event = match piece {
                Piece::Batch(text) => Input::Received(connection, http.decode(&text)?),
                Piece::Beat => Input::Heard(connection),
            };
            let _ = events.send(event).await;
        }
    }
    Ok(())
}
