//! `/meta/handshake`: version and connection types are negotiated, a session is made (BX-HS-*).

use bayeux_protocol::{ConnectionType, ErrorCode, Ext, Json, Message, Reconnect, Version, error_code};

use crate::{
    Carrier, Config,
    extension::Extension,
    link::LinkKind,
    memory::SESSION_BYTES,
    reply::{advice, refusal, reply},
    router::NoRoom,
    shard::{Env, Shard, Turn},
    stats::count,
};

/// The version this server speaks, and the oldest it accepts.
const VERSION: &str = "1.0";

impl Shard {
    /// Makes a session with a new id, unless the request can't be agreed with, and answers in either case (BX-HS-5, BX-HS-6,
    /// BX-HS-9). Over a socket it receives there from now on; no delivery comes with the reply (BX-DL-2).
    pub(crate) fn handshake(&mut self, env: &mut Env<'_>, turn: &mut Turn, request: &Message) {
        if let Err((code, reconnect)) = self.admit(env, request) {
            count(&env.counters.handshakes_refused);
            return turn.replies.push(&self.refused(env, request, code, reconnect));
        }
        let key = self.open(env, &turn.origin);
        if let Carrier::Socket { .. } = turn.origin.carrier
            && let Some(link) = self.link(key, turn.origin.connection, LinkKind::Socket)
        {
            self.take_over(env, key, link);
            turn.answer.attached = Some(Self::ticket(env, link));
            turn.adopt(true);
        }
        turn.answer.handshaken = true;
        let extension = Extension::asked(request.ext.as_ref().map(Ext::read).unwrap_or_default());
        let mut reply = offer(env.config, reply(request, true));
        reply.ext = extension.granted().and_then(|ext| Json::parse(ext, 2).ok());
        if let Some(session) = self.session_mut(key) {
            let bytes = extension.bytes();
            session.extension = extension;
            self.memory += bytes;
        }
        reply.client_id = self.session(key).map(|session| session.id.as_str().into());
        reply.advice = Some(Box::new(advice(env.config, Reconnect::Retry, env.config.interval)));
        turn.replies.push(&reply);
    }

    /// Whether a session can be made, or what stands against it and what the client is to do (BX-HS-11, BX-HS-12).
    fn admit(&mut self, env: &Env<'_>, request: &Message) -> Result<(), (ErrorCode, Reconnect)> {
        if let Some(fault) = &request.fault {
            let code = if fault.field == "id" { error_code::MESSAGE_ID_INVALID } else { error_code::FIELD_INVALID };
            return Err((code, Reconnect::None));
        }
        negotiate(request, env.config)?;
        if self.leaving().is_some() {
            return Err((error_code::SHUTTING_DOWN, Reconnect::Handshake));
        }
        if env.counters.live_sessions() >= env.config.max_sessions {
            return Err((error_code::SERVER_OVERLOADED, Reconnect::Handshake));
        }
        let room = env.memory.room(SESSION_BYTES, env.counters);
        room.map_err(|NoRoom| (error_code::SERVER_OVERLOADED, Reconnect::Handshake))
    }

    /// A refusal: no `clientId` (BX-FLD-4), but what the server offers (BX-HS-10). Where a later try may do better, the
    /// client is asked to wait, so that a full or leaving server is not stormed.
    fn refused(&mut self, env: &Env<'_>, request: &Message, code: ErrorCode, reconnect: Reconnect) -> Message {
        let wait = match reconnect {
            Reconnect::Handshake => self.leaving().unwrap_or(env.config.shutdown_spread),
            _ => env.config.interval,
        };
        let mut reply = offer(env.config, refusal(request, code, &[]));
        reply.advice = Some(Box::new(advice(env.config, reconnect, wait)));
        reply
    }
}

fn offer(config: &Config, mut reply: Message) -> Message {
    reply.version = Some(VERSION.into());
    reply.minimum_version = Some(VERSION.into());
    reply.supported_connection_types = Some(config.connection_types.clone());
    reply
}

/// BX-HS-7, BX-HS-8, BX-HS-14, BX-HS-15, BX-VER-2: the client's version must be ours or newer, its minimum ours or older, and it must know a
/// connection type of ours. Neither changes by trying again.
fn negotiate(request: &Message, config: &Config) -> Result<(), (ErrorCode, Reconnect)> {
    let ours = Version::parse(VERSION).expect("a constant of the right form");
    let version_fits = request.version.as_deref().and_then(Version::parse).is_some_and(|version| version >= ours);
    let minimum = request.minimum_version.as_deref();
    let minimum_fits = minimum.is_none_or(|text| Version::parse(text).is_some_and(|minimum| minimum <= ours));
    if !(version_fits && minimum_fits) {
        return Err((error_code::VERSION_UNSUPPORTED, Reconnect::None));
    }
    let common = |known: &ConnectionType| config.connection_types.contains(known);
    if !request.supported_connection_types.iter().flatten().any(common) {
        return Err((error_code::NO_COMMON_CONNECTION_TYPE, Reconnect::None));
    }
    Ok(())
}
