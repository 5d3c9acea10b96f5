//! The WebSocket: opened by the session, it serves all requests until it ends.

use crate::client::{Client, Lost, read_batch};
use crate::defect::Defect;
use futures_util::{SinkExt, StreamExt};
use hyper::header::{COOKIE, HeaderValue};
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Opens it; a task of its own serves it.
pub(crate) async fn open(client: &Rc<Client>) -> Result<(), Lost> {
    let stream = client.endpoint.connect().await?;
    let url = format!("ws://{}{}", client.endpoint.host, client.endpoint.path);
    let mut request = url.into_client_request().map_err(|_| Lost::Broken)?;
    if let Some(cookie) = client.cookie().and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        request.headers_mut().insert(COOKIE, cookie);
    }
    let opening = timeout(client.patience(), tokio_tungstenite::client_async(request, stream));
    let (socket, _) = opening.await.map_err(|_| Lost::Late)?.map_err(|_| Lost::Broken)?;
    let (sender, outgoing) = mpsc::unbounded_channel();
    client.opened(sender);
    let client = client.clone();
    tokio::task::spawn_local(async move {
        serve(&client, socket, outgoing).await;
        client.socket_ended();
    });
    Ok(())
}

/// Reads and writes until it ends, or is closed since nobody sends on it any more.
async fn serve(
    client: &Rc<Client>,
    mut socket: WebSocketStream<TcpStream>,
    mut outgoing: mpsc::UnboundedReceiver<String>,
) {
    loop {
        let text = tokio::select! {
            text = outgoing.recv() => match text {
                Some(text) => match socket.send(Frame::text(text)).await {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                // What is left of it is of no use if it can't be closed.
                None => return drop(socket.close(None).await),
            },
            frame = socket.next() => match frame {
                Some(Ok(Frame::Text(text))) => text,
                Some(Ok(Frame::Ping(_))) if client.has(Defect::PingEndsSocket) => return,
                Some(Ok(Frame::Binary(_))) if client.has(Defect::EndsWithBinary) => return client.die(),
                Some(Err(_)) if client.has(Defect::EndsWithBrokenFrame) => return client.die(),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
        };
        match read_batch(text.as_bytes()) {
            Ok(messages) => client.receive(messages),
            Err(_) if client.has(Defect::GivesUpOnBadJson) => return client.die(),
            // Nothing can be done about it; what was a reply is missed in time.
            Err(_) => {}
        }
    }
}
