//! Messages that are refused one by one: wrong types, bad channels, other people's sessions.

use serde_json::{Map, Value, json};

use super::Counter;

/// A batch, and the error of its last message's reply.
pub(crate) struct BadMessage {
    pub(crate) name: String,
    pub(crate) batch: Value,
    /// The three digits and the text; what is between them is the peer's, cut and cleaned.
    pub(crate) error: (u16, &'static str),
    pub(crate) counter: Counter,
}

/// Every meta message, whole; the session's `clientId` is put in where none is.
fn valid() -> Vec<Value> {
    vec![
        json!({"channel": "/meta/handshake", "id": "1", "version": "1.0", "minimumVersion": "1.0",
               "supportedConnectionTypes": ["long-polling", "websocket"]}),
        json!({"channel": "/meta/connect", "id": "1", "connectionType": "long-polling"}),
        json!({"channel": "/meta/subscribe", "id": "1", "subscription": "/h"}),
        json!({"channel": "/meta/unsubscribe", "id": "1", "subscription": "/mine"}),
        json!({"channel": "/meta/disconnect", "id": "1"}),
        json!({"channel": "/h", "id": "1", "data": 1}),
        json!({"channel": "/service/h", "id": "1", "data": 1}),
        json!({"channel": "/meta/unknown", "id": "1", "data": 1}),
    ]
}

/// Each field with values of every type that it may not have.
fn wrong_types() -> Vec<(&'static str, Vec<Value>)> {
    let (text, number, flag, array, object) = (json!("x"), json!(7), json!(true), json!([1]), json!({"x": 1}));
    let no_text = vec![number.clone(), flag.clone(), array.clone(), object.clone()];
    let no_flag = vec![text.clone(), number.clone(), array.clone(), object.clone()];
    let no_object = vec![text.clone(), number.clone(), flag.clone(), array.clone()];
    let no_texts =
        vec![text.clone(), number.clone(), flag.clone(), json!(["long-polling", 1]), json!([null]), object.clone()];
    let mut no_advice = no_object.clone();
    no_advice.extend([
        json!({"timeout": "5"}),
        json!({"timeout": [0]}),
        json!({"interval": true}),
        json!({"reconnect": 1}),
        json!({"maxInterval": {}}),
        json!({"multiple-clients": "yes"}),
        json!({"hosts": "a"}),
        json!({"websocket": {"timeout": "5"}}),
    ]);
    vec![
        ("channel", no_text.clone()),
        ("id", vec![flag.clone(), array, object.clone(), json!("x".repeat(256))]),
        ("clientId", no_text.clone()),
        ("version", no_text.clone()),
        ("minimumVersion", no_text.clone()),
        ("supportedConnectionTypes", no_texts),
        ("connectionType", no_text.clone()),
        ("subscription", vec![number, flag, object, json!([1]), json!(["/a", null]), json!([["/a"]])]),
        ("advice", no_advice),
        ("successful", no_flag.clone()),
        ("authSuccessful", no_flag),
        ("error", no_text.clone()),
        ("timestamp", no_text),
        ("ext", no_object),
    ]
}

/// A wrong type in each field of each message.
pub(crate) fn wrong_fields() -> Vec<BadMessage> {
    let mut all = Vec::new();
    for message in valid() {
        for (field, values) in wrong_types() {
            for value in values {
                let mut message = message.clone();
                message[field] = value.clone();
                let handshake = message["channel"] == "/meta/handshake";
                let error = match field {
                    "id" => (405, "message_id_invalid"),
                    "channel" => (405, "channel_invalid"),
                    "subscription" if !handshake => (403, "subscription_invalid"),
                    _ => (400, "field_invalid"),
                };
                let counter = if handshake { Counter::handshakes_refused } else { Counter::messages_refused };
                let name = format!("{field} {value} in {}", message["channel"]);
                all.push(BadMessage { name, batch: json!([message]), error, counter });
            }
        }
    }
    all
}

/// Texts that are neither a channel to publish to nor one to subscribe to.
fn bad_channels() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        "/",
        "//",
        "a",
        "a/b",
        "*",
        "**",
        " /a",
        "/a//b",
        "//a",
        "/a//",
        "/a/*/b",
        "/a/**/b",
        "/*/a",
        "/**/a",
        "/a\0b",
        "/a\nb",
        "/a\r\nb",
        "/a\tb",
        "/a\u{7f}b",
        "/a\u{1b}[31mb",
        "/a\u{85}b",
        "/\u{202e}a",
        "/é",
        "/\u{ff0f}a",
        "/\u{ff0f}meta\u{ff0f}connect",
        "\\/a",
        "/a\\b",
        "/a%2fb",
        "/a?b",
        "/a&b",
        "/a=b",
        "/a\"b",
        "/a'b",
        "/a<b>",
        "/a:b",
        "/a;b",
        "/a,b",
        "/a|b",
        "/a^b",
        "/a[b]",
        "/a`b",
        "/a/\u{1f600}",
        "/meta//connect",
        "//meta/connect",
        "/meta/connect//",
    ]
    .map(str::to_owned)
    .into();
    all.push("/a".repeat(10_000));
    all.push("/a".repeat(17));
    all.push(format!("/{}", "a".repeat(255)));
    all.push("/".repeat(60_000));
    all.push(format!("/{}", "é".repeat(20_000)));
    all
}

/// Bad channels: to publish to, to subscribe to, alone and behind a good one, to unsubscribe from.
pub(crate) fn channels() -> Vec<BadMessage> {
    let mut all = Vec::new();
    let mut add = |name: String, batch: Value, error| {
        all.push(BadMessage { name, batch, error, counter: Counter::messages_refused });
    };
    for text in bad_channels() {
        let shown: String = text.chars().take(30).flat_map(char::escape_default).collect();
        add(format!("to {shown}"), json!([{"channel": text, "data": 1}]), (405, "channel_invalid"));
        for (operation, channel) in [("subscribe", "/meta/subscribe"), ("unsubscribe", "/meta/unsubscribe")] {
            for subscription in [json!(text), json!(["/h", text])] {
                let batch = json!([{"channel": channel, "subscription": subscription}]);
                add(format!("{operation} {subscription}"), batch, (403, "subscription_invalid"));
            }
        }
    }
    for text in ["/*", "/**", "/a/*", "/a/**", "/meta/*", "/service/**"] {
        add(format!("publish to {text}"), json!([{"channel": text, "data": 1}]), (405, "channel_invalid"));
    }
    for text in ["/meta/*", "/meta/**", "/meta/connect", "/meta/subscribe", "/meta/a/b", "/meta/connect/"] {
        for subscription in [json!(text), json!(["/h", text])] {
            let ask = |channel: &str| json!([{"channel": channel, "subscription": subscription}]);
            add(format!("subscribe {subscription}"), ask("/meta/subscribe"), (403, "subscribe_denied"));
            add(format!("unsubscribe {subscription}"), ask("/meta/unsubscribe"), (403, "unsubscribe_denied"));
        }
    }
    for text in
        ["/meta/subscribe/x", "/meta/connect/x", "/meta/connect/1/2", "/META/connect", "/meta/Connect", "/meta/x"]
    {
        let batch = json!([{"channel": text, "subscription": "/h", "connectionType": "long-polling", "data": 1}]);
        if text.starts_with("/meta/") {
            add(format!("{text} is nothing"), batch, (403, "publish_denied"));
        }
    }
    add("no channel".to_owned(), json!([{"data": 1}]), (400, "channel_missing"));
    add("null as channel".to_owned(), json!([{"channel": null, "data": 1}]), (400, "channel_missing"));
    add("no data".to_owned(), json!([{"channel": "/h"}]), (400, "data_missing"));
    add("no subscription".to_owned(), json!([{"channel": "/meta/subscribe"}]), (403, "subscription_missing"));
    add(
        "an empty subscription".to_owned(),
        json!([{"channel": "/meta/subscribe", "subscription": []}]),
        (403, "subscription_missing"),
    );
    for kind in [json!(null), json!(""), json!("flash"), json!("Long-Polling"), json!("x".repeat(10_000))] {
        let batch = json!([{"channel": "/meta/connect", "connectionType": kind}]);
        add(format!("connect by {kind}"), batch, (400, "connection_type_unsupported"));
    }
    let handshake =
        json!({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]});
    for other in [
        handshake.clone(),
        json!({"channel": "/h", "data": 1}),
        json!({"channel": "/meta/connect", "connectionType": "websocket"}),
    ] {
        let batch = json!([{"channel": "/meta/handshake"}, other]);
        add(format!("a handshake with {}", other["channel"]), batch, (400, "handshake_must_be_alone"));
    }
    all.extend(handshakes());
    all
}

/// Handshakes that nothing can be agreed on with.
fn handshakes() -> Vec<BadMessage> {
    let counter = Counter::handshakes_refused;
    let mut all = Vec::new();
    for version in
        [json!(null), json!(""), json!("x"), json!("0.9"), json!("-1"), json!("1.0 "), json!("9".repeat(10_000))]
    {
        let batch =
            json!([{"channel": "/meta/handshake", "version": version, "supportedConnectionTypes": ["websocket"]}]);
        let error = (400, "version_unsupported");
        all.push(BadMessage { name: format!("version {version}"), batch, error, counter });
    }
    for types in [json!(null), json!([]), json!(["flash"]), json!(["WEBSOCKET"]), json!(vec!["x"; 10_000])] {
        let batch = json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": types}]);
        let error = (400, "no_common_connection_type");
        all.push(BadMessage { name: format!("types {types}"), batch, error, counter });
    }
    all
}

/// Every operation with a `clientId` that is none: unknown, badly formed, and the ones given.
pub(crate) fn client_ids(expired: &str, foreign: &str) -> Vec<BadMessage> {
    let upper = foreign.to_ascii_uppercase();
    let (long, longer, unknown) = ("a".repeat(8192), format!("{foreign}0"), "0".repeat(foreign.len()));
    let ids = [
        ("expired", json!(expired), Counter::sessions_unknown),
        ("foreign", json!(foreign), Counter::sessions_foreign),
        ("unknown", json!(unknown), Counter::sessions_unknown),
        ("none", json!(null), Counter::sessions_unknown),
        ("empty", json!(""), Counter::sessions_unknown),
        ("upper case", json!(upper), Counter::sessions_unknown),
        ("cut", json!(foreign[1..]), Counter::sessions_unknown),
        ("longer", json!(longer), Counter::sessions_unknown),
        ("long", json!(long), Counter::sessions_unknown),
        ("of other letters", json!("é".repeat(foreign.len() / 2)), Counter::sessions_unknown),
        ("with a NUL", json!(format!("{foreign}\0")), Counter::sessions_unknown),
        ("with a space", json!(format!(" {foreign}")), Counter::sessions_unknown),
    ];
    let mut all = Vec::new();
    for (name, id, counter) in ids {
        for mut message in valid().into_iter().filter(|message| message["channel"] != "/meta/handshake") {
            message.as_object_mut().map(|fields: &mut Map<_, _>| fields.insert("clientId".to_owned(), id.clone()));
            let name = format!("clientId {name} in {}", message["channel"]);
            let (batch, error) = (json!([message]), (402, "session_unknown"));
            all.push(BadMessage { name, batch, error, counter });
        }
    }
    all
}
