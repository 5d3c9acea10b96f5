//! `Straight`: a session that nothing happens to. It publishes the news, and sees what clients publish.

use std::net::{IpAddr, Ipv4Addr};

use bayeux_engine::{BrowserId, Call, Carrier, ConnectionId, HEADROOM, Origin, Time};
use bayeux_protocol::{DecodeLimits, Message, decode_batch};

use crate::{
    random::Random,
    server::{Server, Sound},
};

pub(super) struct Straight {
    browser: BrowserId,
    client_id: String,
    published: u64,
}

impl Straight {
    pub(super) fn open(server: &mut Sound, now: Time, random: &mut Random) -> Self {
        let mut straight = Self { browser: BrowserId(random.bytes()), client_id: String::new(), published: 0 };
        straight.reopen(server, now, random);
        straight
    }

    /// At a server that knows nobody.
    pub(super) fn reopen(&mut self, server: &mut Sound, now: Time, random: &mut Random) {
        self.browser = BrowserId(random.bytes());
        let handshake =
            r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}]"#;
        let reply = self.call(server, now, handshake).remove(0);
        self.client_id = reply.client_id.expect("it is accepted").into();
        let subscribe = self.message("/meta/subscribe", r#""subscription":"/of/*""#);
        self.call(server, now, &format!("[{subscribe}]"));
    }

    pub(super) const fn published(&self) -> u64 {
        self.published
    }

    /// Publishes the next number; returns what has come from clients, by client and number.
    pub(super) fn exchange(&mut self, server: &mut Sound, now: Time, channel: &str) -> Vec<(usize, u64)> {
        self.published += 1;
        let publish = self.message(channel, &format!(r#""data":{}"#, self.published));
        self.call(server, now, &format!("[{publish}]"));
        self.collect(server, now)
    }

    pub(super) fn collect(&mut self, server: &mut Sound, now: Time) -> Vec<(usize, u64)> {
        for shard in 0..server.engine().shards() {
            while server.pump(now, shard, usize::MAX, std::task::Waker::noop()).more {}
        }
        let connect = self.message("/meta/connect", r#""connectionType":"long-polling","advice":{"timeout":0}"#);
        let messages = self.call(server, now, &format!("[{connect}]"));
        let of_clients = messages.iter().filter_map(|message| {
            let client = message.channel.as_deref()?.strip_prefix("/of/")?.parse().ok()?;
            Some((client, message.data.as_ref()?.to().ok()?))
        });
        of_clients.collect()
    }

    fn message(&self, channel: &str, fields: &str) -> String {
        format!(r#"{{"channel":"{channel}","clientId":"{}","id":"1",{fields}}}"#, self.client_id)
    }

    fn call(&self, server: &mut Sound, now: Time, text: &str) -> Vec<Message> {
        let origin = Origin {
            connection: ConnectionId(u64::MAX),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            carrier: Carrier::Http,
            browser: Some(self.browser),
            browser_upgraded: None,
            shard: Some(0),
        };
        let limits = DecodeLimits::default();
        let batch = decode_batch(text.as_bytes(), &limits).expect("it is a batch");
        let answer = server.handle(now, Call { origin, batch });
        answer.lent.into_iter().for_each(|ticket| server.confirm(now, ticket));
        let frame = answer.frame.expect("it is answered at once");
        decode_batch(&frame[HEADROOM..], &DecodeLimits { max_messages: usize::MAX, max_bytes: usize::MAX, ..limits })
            .expect("it is a batch")
    }
}
