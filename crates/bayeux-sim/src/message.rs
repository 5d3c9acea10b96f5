//! The bytes that scripted clients send.

/// A message of a client, to be written into a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Unique in a run, so that a reply is told by its id.
    pub(crate) id: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Handshake(Wish),
    Connect(Connect),
    Subscribe(Vec<&'static str>),
    Unsubscribe(&'static str),
    /// The message's number and how many bytes of padding it carries.
    Publish(&'static str, u64, usize),
    Disconnect,
}

/// A connect, and what it says besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) way: Way,
    /// The timeout that it asks for, in milliseconds.
    pub(crate) timeout: Option<u64>,
    /// The number of the last reply that was read to its end.
    pub(crate) ack: Option<u64>,
    /// How many deliveries were received.
    pub(crate) gap: Option<u64>,
}

/// How a client gets its deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Poll,
    Socket,
    EventSource,
    Iframe,
    XhrStreaming,
}

/// The extension that a handshake asks for, or its reply grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Nothing,
    Ack,
    Gap,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            // On a socket too, so that a connect can go anywhere.
            Self::Poll | Self::Socket => "long-polling",
            Self::EventSource => "eventsource",
            Self::Iframe => "iframe",
            Self::XhrStreaming => "xhr-streaming",
        }
    }

    /// A browser's request that has no body: so nothing but the connect can be in it.
    pub(crate) const fn is_get(self) -> bool {
        matches!(self, Self::EventSource | Self::Iframe)
    }
}

impl Connect {
    /// One without a word besides.
    pub(crate) const fn plain(way: Way, timeout: Option<u64>) -> Self {
        Self { way, timeout, ack: None, gap: None }
    }

    fn encode(&self) -> String {
        let object = |name: &str, fields: [(&str, Option<u64>); 2]| {
            let fields = fields.iter().filter_map(|(key, value)| value.map(|value| format!(r#""{key}":{value}"#)));
            let fields: Vec<String> = fields.collect();
            if fields.is_empty() { String::new() } else { format!(r#","{name}":{{{}}}"#, fields.join(",")) }
        };
        let advice = object("advice", [("timeout", self.timeout), ("", None)]);
        let ext = object("ext", [("ack", self.ack), ("gap", self.gap)]);
        format!(r#""connectionType":"{}"{advice}{ext}"#, self.way.name())
    }
}

/// Encodes a batch of one session.
pub(crate) fn encode(session: Option<&str>, batch: &[Request]) -> String {
    let client = session.map_or_else(String::new, |id| format!(r#","clientId":"{id}""#));
    let messages: Vec<String> = batch.iter().map(|request| message(&client, request)).collect();
    format!("[{}]", messages.join(","))
}

fn message(client: &str, request: &Request) -> String {
    let id = request.id;
    match &request.kind {
        Kind::Handshake(wish) => {
            let ext = match wish {
                Wish::Nothing => "",
                Wish::Ack => r#","ext":{"ack":true,"gap":true}"#,
                Wish::Gap => r#","ext":{"gap":true}"#,
            };
            let types = r#"["websocket","long-polling"]"#;
            format!(
                r#"{{"channel":"/meta/handshake","id":{id},"version":"1.0","supportedConnectionTypes":{types}{ext}}}"#
            )
        }
        Kind::Connect(connect) => {
            format!(r#"{{"channel":"/meta/connect","id":{id}{client},{}}}"#, connect.encode())
        }
        Kind::Subscribe(patterns) => {
            format!(r#"{{"channel":"/meta/subscribe","id":{id}{client},"subscription":{patterns:?}}}"#)
        }
        Kind::Unsubscribe(pattern) => {
            format!(r#"{{"channel":"/meta/unsubscribe","id":{id}{client},"subscription":"{pattern}"}}"#)
        }
        Kind::Publish(channel, number, padding) => {
            let padding = "x".repeat(*padding);
            format!(r#"{{"channel":"{channel}","id":{id}{client},"data":{{"m":{number},"pad":"{padding}"}}}}"#)
        }
        Kind::Disconnect => format!(r#"{{"channel":"/meta/disconnect","id":{id}{client}}}"#),
    }
}
