//! Long-polling: a batch is the body of a POST, and the batch of replies that of its response.

use std::sync::Arc;

use bayeux_protocol::{Message, decode_batch, encode_batch};
use reqwest::{
    RequestBuilder, Response, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap},
};
use tokio::sync::mpsc::Sender;

use crate::{
    auth::{Auth, Token, is_refused, refuses_handshake},
    core::{ConnectionId, Input},
    error::NetworkFault,
    limits::Limits,
};

/// The way to the server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    pub(crate) client: reqwest::Client,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) limits: Limits,
    pub(crate) auth: Option<Arc<Auth>>,
}

impl Http {
    /// Sends a batch, and reports what became of it (BX-LP-1).
    pub(super) async fn post(
        self,
        connection: ConnectionId,
        host: Option<Arc<str>>,
        mut batch: Vec<Message>,
        events: Sender<Input>,
    ) {
        let event = match self.exchange(host.as_deref(), &mut batch).await {
            Ok(messages) => Input::Received(connection, messages),
            Err(fault) => Input::Lost(connection, fault),
        };
        // Nobody listens any more if the client has ended.
        let _ = events.send(event).await;
    }

    /// What a server refuses since it does not believe the token had no effect, so it is asked once more, with another.
    async fn exchange(&self, host: Option<&str>, batch: &mut [Message]) -> Result<Vec<Message>, NetworkFault> {
        let token = self.token().await?;
        let first = self.ask(host, batch, token.as_ref()).await;
        let is_refused = match &first {
            Ok(replies) => refuses_handshake(replies),
            Err(NetworkFault::Status(status)) => is_refused(*status),
            Err(_) => false,
        };
        match (&self.auth, is_refused) {
            (Some(auth), true) => {
                let another = auth.another(token.as_ref()).await?;
                self.ask(host, batch, Some(&another)).await
            }
            _ => first,
        }
    }

    async fn ask(
        &self,
        host: Option<&str>,
        batch: &mut [Message],
        token: Option<&Token>,
    ) -> Result<Vec<Message>, NetworkFault> {
        if let Some(auth) = &self.auth {
            auth.dress(batch, token);
        }
        let request = self.dress(self.client.post(self.url(host)?), token);
        let request = request.header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json");
        let response = request.body(encode_batch(&*batch)).send().await.map_err(|error| connection_fault(&error))?;
        if !response.status().is_success() {
            return Err(NetworkFault::Status(response.status().as_u16()));
        }
        let body = self.body(response).await?;
        self.decode(&body)
    }

    /// The token, where there is to be one.
    pub(super) async fn token(&self) -> Result<Option<Token>, NetworkFault> {
        match &self.auth {
            Some(auth) => auth.token().await.map(Some),
            None => Ok(None),
        }
    }

    /// The headers that the application wants, and the token.
    pub(super) fn dress(&self, request: RequestBuilder, token: Option<&Token>) -> RequestBuilder {
        let request = request.headers(self.headers.clone());
        let token = token.filter(|_| self.auth.as_ref().is_some_and(|auth| auth.in_header));
        match token {
            Some(token) => request.bearer_auth(token.value()),
            None => request,
        }
    }

    /// The endpoint, at another server if the advice says so (BX-ADV-11). Scheme and path stay, so what is encrypted stays so.
    pub(super) fn url(&self, host: Option<&str>) -> Result<Url, NetworkFault> {
        let Some(host) = host else { return Ok(self.url.clone()) };
        let wrong = || NetworkFault::Connection(format!("the advice names a host that is none: {host:?}").into());
        let other = Url::parse(&format!("{}://{host}/", self.url.scheme())).map_err(|_| wrong())?;
        let is_authority = other.path() == "/" && other.query().is_none() && other.fragment().is_none();
        if !is_authority || !other.username().is_empty() || other.password().is_some() {
            return Err(wrong());
        }
        let mut url = self.url.clone();
        url.set_host(other.host_str()).map_err(|_| wrong())?;
        url.set_port(other.port()).map_err(|()| wrong())?;
        Ok(url)
    }

    pub(super) fn decode(&self, text: &[u8]) -> Result<Vec<Message>, NetworkFault> {
        decode_batch(text, &self.limits.into()).map_err(|error| NetworkFault::Unreadable(error.to_string().into()))
    }

    /// Reads a body up to the limit; one that is declared larger is not read at all.
    pub(super) async fn body(&self, mut response: Response) -> Result<Vec<u8>, NetworkFault> {
        let limit = self.limits.max_bytes;
        let too_large = NetworkFault::TooLarge { limit };
        if response.content_length().is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > limit)) {
            return Err(too_large);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| connection_fault(&error))? {
            if body.len() + chunk.len() > limit {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// What a request failed of, down to the cause: "connection refused" says more than "error sending request".
pub(super) fn connection_fault(error: &reqwest::Error) -> NetworkFault {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    NetworkFault::Connection(cause.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bx_adv_11_a_host_takes_the_place_of_host_and_port_alone() {
        let http = Http {
            client: crate::roots::Roots::default().http_client().expect("it is made"),
            url: Url::parse("https://one.example:8443/a/bayeux?x=1").expect("it is a URL"),
            headers: HeaderMap::new(),
            limits: Limits::default(),
            auth: None,
        };
        let url = |host| http.url(host).map(|url| url.to_string()).ok();
        assert_eq!(url(None).as_deref(), Some("https://one.example:8443/a/bayeux?x=1"));
        assert_eq!(url(Some("two.example")).as_deref(), Some("https://two.example/a/bayeux?x=1"));
        assert_eq!(url(Some("[::1]:90")).as_deref(), Some("https://[::1]:90/a/bayeux?x=1"));
        for bad in ["", "x/y", "u@x", "x?y", "a b", "x#y", "http://x"] {
            assert_eq!(url(Some(bad)), None, "{bad}");
        }
    }
}
