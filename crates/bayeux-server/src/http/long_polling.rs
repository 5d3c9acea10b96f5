//! `long-polling` (BX-OP-3, BX-LP-1): a POST of messages, answered with messages; a connect alone is held, and needs no more
//! than one request beside it (BX-OP-1). A connect of `xhr-streaming` alone is a POST like any, and its answer a stream (BX-ST-8).

use bayeux_engine::Carrier;
use bayeux_protocol::{ConnectionType, DecodeError, decode_batch};

use super::{
    exchange::only_connect,
    form::{decode_form, is_form},
    wire::Wire,
    xhr_streaming::XhrStreaming,
};
use crate::{
    Bayeux,
    http::{Head, Response},
    stats::count,
};

impl Bayeux {
    /// Serves a batch that was posted: 200, whatever becomes of its messages (BX-LP-6). `preface` has let it pass.
    pub fn serve(&self, head: &Head<'_>, body: &[u8]) -> Response {
        let limits = &self.options().limits;
        let decoded = if is_form(body) { decode_form(body, limits) } else { decode_batch(body, limits) };
        let batch = match decoded {
            Ok(batch) => batch,
            Err(error) => return self.marked(head, self.malformed(head, body, &error)),
        };
        let wire: Option<Box<dyn Wire>> = match only_connect(&batch) {
            Some(ConnectionType::XhrStreaming) => Some(Box::new(XhrStreaming)),
            _ => None,
        };
        let response = self.exchange(head, batch, Carrier::Http, wire);
        self.marked(head, response)
    }

    /// The largest body in bytes that is read.
    pub fn max_body(&self) -> usize {
        self.options().limits.max_bytes
    }

    /// The answer to a body over [`Bayeux::max_body`], which is not read.
    pub fn too_large(&self, head: &Head<'_>) -> Response {
        count(&self.counters().bodies_too_large);
        let text = format!("The body is larger than {} bytes: send the messages in smaller batches.", self.max_body());
        self.marked(head, Response::text(413, text).with("Connection", "close"))
    }

    /// A body that is no batch is refused whole, without effect (BX-HRD-1, BX-HRD-2).
    fn malformed(&self, head: &Head<'_>, body: &[u8], error: &DecodeError) -> Response {
        if let DecodeError::TooLarge { .. } = error {
            return self.too_large(head);
        }
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        let json = matches!(first, Some(b'[' | b'{'));
        if !json && !is_form(body) && !accepted(head.content_type) {
            count(&self.counters().bodies_unsupported);
            return Response::text(415, "Send Bayeux messages as a JSON array, with Content-Type: application/json.");
        }
        count(&self.counters().bodies_malformed);
        tracing::debug!(target: "bayeux::http", peer = %head.peer, %error, "refused a malformed body");
        Response::text(400, format!("The body is no Bayeux batch: {error}."))
    }
}

/// JSON types, forms, no type, and `text/plain`, which needs no preflight and is what Faye's clients fall back to (BX-LP-7).
fn accepted(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else {
        return true;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(
        essence.as_str(),
        "application/json" | "application/x-www-form-urlencoded" | "text/json" | "text/plain" | ""
    ) || essence.ends_with("+json")
}
