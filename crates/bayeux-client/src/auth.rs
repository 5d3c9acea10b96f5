//! `Token` and `TokenSource`: who the client is, for as long as that is believed.

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bayeux_protocol::{Message, MetaChannel};

use crate::{
    error::{NetworkFault, Refusal},
    extension::set_ext,
};

/// A token that ends within this time is not begun with any more.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a source may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bearer token. It is shown nowhere, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    value: String,
    expires: Option<SystemTime>,
}

/// What a [`TokenSource`] does until it has one.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Token, Box<dyn StdError + Send + Sync>>> + Send + 'a>>;

/// Where tokens come from: asked at the start, when one is about to expire, and after the server has refused one with 401 or 403.
///
/// Any `Fn() -> impl Future<Output = Result<Token, _>>` is one.
pub trait TokenSource: Send + Sync {
    /// A new token.
    fn token(&self) -> Fetching<'_>;
}

impl<F, Fut, E> TokenSource for F
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<Token, E>> + Send,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    fn token(&self) -> Fetching<'_> {
        Box::pin(async move { self().await.map_err(Into::into) })
    }
}

impl Token {
    /// One that is good until it is refused.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), expires: None }
    }

    /// And no longer than until then.
    #[must_use]
    pub const fn expires(mut self, at: SystemTime) -> Self {
        self.expires = Some(at);
        self
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    fn is_good(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| now + MARGIN < expires)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// The token of one client, and where it stands in its requests.
pub(crate) struct Auth {
    source: Box<dyn TokenSource>,
    pub(crate) in_header: bool,
    /// Under this key of the handshake's `ext`.
    pub(crate) in_ext: Option<String>,
    current: Mutex<Option<Token>>,
    /// One at a time asks the source.
    asking: tokio::sync::Mutex<()>,
}

impl Auth {
    pub(crate) fn new(source: impl TokenSource + 'static) -> Self {
        let (current, asking) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { source: Box::new(source), in_header: true, in_ext: None, current, asking }
    }

    /// A token that is good, as far as is known.
    pub(crate) async fn token(&self) -> Result<Token, NetworkFault> {
        match self.known() {
            Some(token) if token.is_good(SystemTime::now()) => Ok(token),
            other => self.another(other.as_ref()).await,
        }
    }

    /// Another one than this, which was refused or is about to expire.
    pub(crate) async fn another(&self, old: Option<&Token>) -> Result<Token, NetworkFault> {
        let _asking = self.asking.lock().await;
        // Somebody else may have asked meanwhile.
        if let Some(token) = self.known().filter(|known| Some(known) != old) {
            return Ok(token);
        }
        let fault = |what: String| NetworkFault::Token(what.into());
        let token = match tokio::time::timeout(PATIENCE, self.source.token()).await {
            Ok(token) => token.map_err(|error| fault(error.to_string()))?,
            Err(_) => return Err(fault(format!("its source did not answer within {} s", PATIENCE.as_secs()))),
        };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }

    /// Puts the token into the handshake of a batch, where that is its place.
    pub(crate) fn dress(&self, batch: &mut [Message], token: Option<&Token>) {
        let known = self.known();
        let (Some(key), Some(token)) = (&self.in_ext, token.or(known.as_ref())) else { return };
        for message in batch.iter_mut().filter(|message| is_handshake(message)) {
            set_ext(message, key, &token.value().into());
        }
    }

    fn known(&self) -> Option<Token> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("in_header", &self.in_header).field("in_ext", &self.in_ext).finish_non_exhaustive()
    }
}

/// Whether a status says that the token is not believed.
pub(crate) const fn is_refused(status: u16) -> bool {
    matches!(status, 401 | 403)
}

/// Whether a handshake is refused for that reason.
pub(crate) fn refuses_handshake(batch: &[Message]) -> bool {
    let refused = |reply: &Message| reply.successful == Some(false) && Refusal::of(reply).code.is_some_and(is_refused);
    batch.iter().any(|reply| is_handshake(reply) && refused(reply))
}

fn is_handshake(message: &Message) -> bool {
    message.channel.as_deref() == MetaChannel::Handshake.as_str()
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    };

    use super::*;

    fn counting(expires: Option<Duration>) -> (Auth, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = asked.clone();
        let auth = Auth::new(move || {
            let token = Token::new((counter.fetch_add(1, Relaxed) + 1).to_string());
            let token = match expires {
                Some(after) => token.expires(SystemTime::now() + after),
                None => token,
            };
            async move { Ok::<_, std::io::Error>(token) }
        });
        (auth, asked)
    }

    #[tokio::test]
    async fn a_source_is_asked_when_there_is_none_or_one_is_refused_or_about_to_expire() {
        let (auth, asked) = counting(None);
        let first = auth.token().await.expect("a token");
        assert_eq!(auth.token().await, Ok(first.clone()));
        let (one, other) = tokio::join!(auth.another(Some(&first)), auth.another(Some(&first)));
        assert_eq!((one.expect("a token").value(), other.expect("a token").value()), ("2", "2"), "asked once for both");
        assert_eq!(asked.load(Relaxed), 2);
        let (short, asked) = counting(Some(MARGIN));
        short.token().await.expect("a token");
        short.token().await.expect("a token");
        assert_eq!(asked.load(Relaxed), 2);
        let (long, asked) = counting(Some(MARGIN * 2));
        long.token().await.expect("a token");
        long.token().await.expect("a token");
        assert_eq!(asked.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn a_source_that_fails_is_told_and_no_token_is_shown() {
        let auth = Auth::new(|| async { Err::<Token, _>("no key") });
        assert_eq!(auth.token().await, Err(NetworkFault::Token("no key".into())));
        assert!(!format!("{:?}", Token::new("secret")).contains("secret"));
    }

    #[tokio::test]
    async fn a_handshake_has_it_in_its_ext() {
        let (mut auth, _) = counting(None);
        auth.in_ext = Some("token".into());
        let mut batch = ["/meta/handshake", "/meta/connect"]
            .map(|channel| Message { channel: Some(channel.into()), ..Message::default() });
        auth.dress(&mut batch, None);
        assert_eq!(batch[0].ext, None, "there is none yet");
        let token = auth.token().await.expect("a token");
        auth.dress(&mut batch, Some(&token));
        assert_eq!(batch[0].ext.as_ref().map(bayeux_protocol::Json::as_str), Some(r#"{"token":"1"}"#));
        assert_eq!(batch[1].ext, None);
    }
}
