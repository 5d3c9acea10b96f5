use bayeux_protocol::{
    Advice, ChannelName, ChannelRules, ConnectExt, ConnectionType, DecodeLimits, Json, Message, MessageId, Reconnect,
    Subscription, decode_batch, encode_batch, encode_connect_reply, encode_delivery_head,
};
use proptest::{option, prelude::*};
use serde_json::{Value, json};

fn text() -> impl Strategy<Value = Box<str>> {
    any::<String>().prop_map(String::into_boxed_str)
}

fn some_json(object: bool) -> impl Strategy<Value = Json> {
    (any::<String>(), any::<i64>()).prop_map(move |(key, value)| {
        let value = if object { json!({ key: value }) } else { json!([key, value, null]) };
        Json::from_serialize(&value).expect("JSON")
    })
}

fn connection_type() -> impl Strategy<Value = ConnectionType> {
    let names =
        ["long-polling", "callback-polling", "websocket", "eventsource", "xhr-streaming", "iframe", "flash", "x"];
    prop::sample::select(names.to_vec()).prop_map(ConnectionType::from)
}

fn advice() -> impl Strategy<Value = Advice> {
    let reconnect = prop::sample::select(vec!["retry", "handshake", "none", "later"]).prop_map(Reconnect::from);
    let plain = (
        option::of(reconnect),
        option::of(any::<i64>()),
        option::of(any::<i64>()),
        option::of(any::<i64>()),
        option::of(any::<bool>()),
    )
        .prop_map(|(reconnect, interval, timeout, max_interval, multiple_clients)| Advice {
            reconnect,
            interval,
            timeout,
            max_interval,
            multiple_clients,
            ..Advice::default()
        });
    (plain.clone(), option::of(prop::collection::vec(text(), 0..3)), option::of(plain)).prop_map(
        |(advice, hosts, section)| Advice {
            hosts,
            transports: section.map(|section| (ConnectionType::WebSocket, section)).into_iter().collect(),
            ..advice
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let id = prop_oneof![
        text().prop_filter("ids are short", |id| id.len() < 256).prop_map(MessageId::Text),
        any::<i64>().prop_map(|number| MessageId::Number(number.to_string().into())),
    ];
    let subscription = prop_oneof![
        text().prop_map(Subscription::One),
        prop::collection::vec(text(), 0..4).prop_map(Subscription::Many)
    ];
    let names = (
        option::of(text()),
        option::of(id),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
    );
    let rest = (
        option::of(prop::collection::vec(connection_type(), 0..4)),
        option::of(connection_type()),
        option::of(subscription),
        option::of(advice()),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        option::of(some_json(true)),
        option::of(some_json(false)),
    );
    (names, rest).prop_map(
        |((channel, id, client_id, version, minimum_version, error, timestamp), rest)| {
            let (
                supported_connection_types,
                connection_type,
                subscription,
                advice,
                successful,
                auth_successful,
                ext,
                data,
            ) = rest;
            Message {
                channel,
                id,
                client_id,
                version,
                minimum_version,
                supported_connection_types,
                connection_type,
                subscription,
                advice: advice.map(Box::new),
                successful,
                auth_successful,
                error,
                timestamp,
                ext,
                data,
                fault: None,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(messages in prop::collection::vec(message(), 0..5)) {
        let bytes = encode_batch(&messages);
        let limits = DecodeLimits { max_bytes: usize::MAX, ..DecodeLimits::default() };
        prop_assert_eq!(decode_batch(&bytes, &limits), Ok(messages));
        prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok(), "and any reader can read it");
    }

    #[test]
    fn a_connect_reply_is_encoded_as_the_message_it_is(like in message(), client_id in text(), advice in advice()) {
        let Message { id, error, .. } = like;
        let mut bytes = Vec::new();
        encode_connect_reply(id.as_ref(), &client_id, error.as_deref(), &advice, ConnectExt::default(), &mut bytes);
        let message = Message {
            channel: Some("/meta/connect".into()),
            id,
            successful: Some(error.is_none()),
            client_id: Some(client_id),
            error,
            advice: Some(Box::new(advice)),
            ..Message::default()
        };
        let mut expected = Vec::new();
        message.encode(&mut expected);
        prop_assert_eq!(bytes, expected);
    }
}

#[test]
fn bx_dl_4_a_delivery_is_channel_and_data_and_takes_ext() {
    let channel = ChannelName::parse("/a/\"b", &ChannelRules::default());
    assert!(channel.is_err(), "no channel needs escaping");
    let channel = ChannelName::parse("/a/b", &ChannelRules::default()).expect("a name");
    let head = encode_delivery_head(&channel, &Json::from_serialize(&json!({"x": 1})).expect("JSON"));
    assert_eq!(head, r#"{"channel":"/a/b","data":{"x":1}"#.as_bytes());
}

#[test]
fn json_values_are_checked_and_converted() {
    assert_eq!(Json::parse(b" [ 1 , 2 ] ", 8).map(|json| json.as_str().to_owned()), Ok("[1,2]".to_owned()));
    assert!(Json::parse(b"[1] 2", 8).is_err());
    assert!(Json::parse(b"[[1]]", 1).is_err());
    assert_eq!(Json::parse(b"[1]", 1).and_then(|json| json.to::<Vec<u8>>().map_err(|_| unreachable!())), Ok(vec![1]));
}
