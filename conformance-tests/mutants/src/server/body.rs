//! The bodies of responses: whole ones, and streams that go on while their parts come.

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// How many parts of a stream may wait for a slow reader.
const MAX_PARTS: usize = 16;

/// A body.
pub(crate) enum Body {
    /// Ready, unless it was written.
    Whole(Option<Bytes>),
    /// Parts as they come, to the last.
    Parts(mpsc::Receiver<Bytes>),
}

/// A response with such a body.
pub(crate) type Reply = Response<Body>;

impl Body {
    /// A stream, and where its parts go in.
    pub(crate) fn stream() -> (mpsc::Sender<Bytes>, Self) {
        let (sender, receiver) = mpsc::channel(MAX_PARTS);
        (sender, Self::Parts(receiver))
    }

    /// The same again, if it is whole.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Parts(_) => None,
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Whole(Some(text.into()))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(None)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Parts(parts) => parts.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Parts(_) => SizeHint::default(),
        }
    }
}

/// An empty response of this status.
pub(crate) fn refuse(status: StatusCode) -> Reply {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
