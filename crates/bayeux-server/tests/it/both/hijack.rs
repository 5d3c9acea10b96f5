//! A clientId alone opens nothing: every operation, over every pair of transports, with every credential but the right one.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::FRONT;
use crate::{
    client::{Http, UPGRADE, Ws, connect, handshake},
    hostile::show,
    server::{Server, options, wait_until},
    transport::{Receiver, TRANSPORTS, Transport, call_by_script, is_answered},
};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What the thief shows for a cookie.
#[derive(Clone, Copy, Debug)]
enum Credential {
    None,
    Wrong,
    /// Another's, with a digit changed.
    Forged,
    /// Another browser's, which a handshake named.
    Handshaken,
    /// Another browser's, which the upgrade of a socket named: such a one may adopt a session that was born just then.
    Upgraded,
}

/// Why the thief may not adopt the session either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// There is no adoption.
    Off,
    /// The session is older than the window.
    Older,
    /// The thief comes from another address.
    Elsewhere,
    /// The session was handshaken over a socket, and has a home.
    Home,
}

const CREDENTIALS: [Credential; 5] =
    [Credential::None, Credential::Wrong, Credential::Forged, Credential::Handshaken, Credential::Upgraded];
const GUARDS: [Guard; 4] = [Guard::Off, Guard::Older, Guard::Elsewhere, Guard::Home];

/// What is tried with a stolen id: a stream takes one connect, the others all there is, alone and behind another message.
fn tries(transport: Transport) -> Vec<(Value, bool)> {
    let connect = transport.connect("stolen")[0].clone();
    if matches!(transport, Transport::EventSource | Transport::Iframe) {
        return vec![(connect, false)];
    }
    let operations = [
        json!({"channel": "/meta/subscribe", "subscription": "/stolen"}),
        json!({"channel": "/meta/unsubscribe", "subscription": "/mine"}),
        json!({"channel": "/mine", "data": "stolen"}),
        json!({"channel": "/meta/disconnect"}),
        connect,
    ];
    operations.into_iter().flat_map(|operation| [(operation.clone(), false), (operation, true)]).collect()
}

fn start(guard: Guard) -> Server {
    let mut options = options();
    (options.engine.timeout, options.engine.max_interval) = (Duration::from_secs(60), Duration::from_secs(120));
    options.engine.adopt_window = match guard {
        Guard::Off => Duration::ZERO,
        Guard::Older => Duration::from_millis(1),
        Guard::Elsewhere | Guard::Home => Duration::from_secs(60),
    };
    Server::with(FRONT, options)
}

/// A session that listens on `/mine`, and is to get what is published there, and nothing else.
struct Victim {
    transport: Transport,
    session: Http,
    /// Where it receives.
    receiver: Option<Receiver>,
}

impl Victim {
    fn new(server: &Server, transport: Transport) -> Self {
        let session = match transport {
            Transport::WebSocket => {
                // It has its home on the socket.
                let mut socket = Ws::session(server);
                socket.call(json!([{"channel": "/meta/subscribe", "subscription": "/mine"}]));
                let session = socket.http.again(server);
                return Self { transport, session, receiver: Some(Receiver::of_socket(socket)) };
            }
            Transport::CallbackPolling => {
                let mut http = Http::open(server);
                let reply = call_by_script(&mut http, &handshake()).remove(0);
                http.id = reply["clientId"].as_str().expect("a session").to_owned();
                call_by_script(&mut http, &transport.connect("first"));
                http
            }
            _ => Http::session(server),
        };
        let mut victim = Self { transport, session, receiver: None };
        victim.session.subscribe("/mine");
        victim
    }

    /// Waits for events, where it does not do so already.
    fn listen(&mut self, server: &Server) {
        if self.receiver.is_none() {
            let mut receiver = Receiver::served(server, &self.session, self.transport, "held");
            if self.transport.is_stream() {
                assert!(is_answered(&receiver.messages()));
            }
            self.receiver = Some(receiver);
        }
    }

    /// What came next is the event `n`, alone.
    fn gets(&mut self, n: usize, name: &str) {
        let mut messages = self.receiver.as_mut().expect("it listens").messages();
        if matches!(self.transport, Transport::LongPolling | Transport::CallbackPolling) {
            let reply = messages.pop().unwrap_or_default();
            assert_eq!((&reply["id"], &reply["successful"]), (&json!("held"), &json!(true)), "{name}: {reply}");
            self.receiver = None;
        }
        assert_eq!(messages, [json!({"channel": "/mine", "data": n})], "{name}");
    }
}

/// Who has somebody's id, and perhaps a session of its own.
struct Thief {
    transport: Transport,
    /// Where it has one that stays.
    socket: Option<Ws>,
    cookie: Option<String>,
    from: Ipv4Addr,
    own: String,
}

impl Thief {
    fn new(server: &Server, transport: Transport, credential: Credential, from: Ipv4Addr) -> Self {
        let mut http = Http::open_from(server, from);
        let mut own = "0".repeat(40);
        match credential {
            Credential::None => {}
            Credential::Wrong => http.cookie = Some("BAYEUX_BROWSER=wrong".to_owned()),
            Credential::Forged => http.cookie = Http::open(server).handshake().cookie.as_deref().map(forged),
            Credential::Handshaken => {
                http.handshake();
                own = std::mem::take(&mut http.id);
            }
            Credential::Upgraded => http.cookie = Ws::upgrade(Http::open_from(server, from)).http.cookie,
        }
        let cookie = http.cookie.clone();
        let socket = (transport == Transport::WebSocket).then(|| Ws::upgrade(http));
        Self { transport, socket, cookie, from, own }
    }

    /// Tries it; returns the reply to the message with the stolen id.
    fn tries(&mut self, batch: &Value, server: &Server) -> Value {
        let mut replies = match &mut self.socket {
            Some(socket) => socket.call(batch.clone()),
            None => {
                let mut http = Http::open_from(server, self.from);
                http.cookie = self.cookie.clone();
                // What a page streams to by XMLHttpRequest is asked of by POST, as by long-polling.
                let streams = batch.as_array().is_some_and(|batch| batch.len() == 1 && is_answered(batch));
                let by_post = self.transport == Transport::XhrStreaming && !streams;
                let transport = if by_post { Transport::LongPolling } else { self.transport };
                Receiver::ask(http, transport, batch, &[]).messages()
            }
        };
        assert_eq!(replies.len(), batch.as_array().map_or(0, Vec::len));
        replies.pop().unwrap_or_default()
    }
}

/// A cookie with its last digit changed.
fn forged(cookie: &str) -> String {
    let (head, last) = cookie.split_at(cookie.len() - 1);
    format!("{head}{}", if last == "0" { "1" } else { "0" })
}

#[test]
fn bx_sec_3_a_stolen_client_id_is_refused_in_every_way_and_its_owner_undisturbed() {
    let mut cases = 0;
    for guard in GUARDS {
        let server = start(guard);
        let mut publisher = Http::session(&server);
        for owner in TRANSPORTS {
            if guard == Guard::Home && owner != Transport::WebSocket {
                continue;
            }
            let mut victim = Victim::new(&server, owner);
            let born = Instant::now();
            wait_until(|| born.elapsed() > Duration::from_millis(10));
            for (transport, credential) in TRANSPORTS.into_iter().flat_map(|it| CREDENTIALS.map(|with| (it, with))) {
                let from = if guard == Guard::Elsewhere { THERE } else { HERE };
                let mut thief = Thief::new(&server, transport, credential, from);
                let first = json!({"channel": "/thief", "data": 1, "clientId": thief.own});
                for (mut stolen, second) in tries(transport) {
                    stolen["clientId"] = json!(victim.session.id);
                    let batch = if second { json!([first, stolen]) } else { json!([stolen]) };
                    let name = format!("{guard:?}: {owner:?} by {transport:?} with {credential:?}: {batch}");
                    let before = server.bayeux.engine().stats().sessions_foreign;
                    victim.listen(&server);
                    let reply = thief.tries(&batch, &server);
                    assert_eq!((&reply["error"], &reply["successful"]), (&json!("402::session_unknown"), &json!(false)), "{name}");
                    assert_eq!((&reply["advice"]["reconnect"], reply.get("clientId")), (&json!("handshake"), None), "{name}");
                    assert_eq!(server.bayeux.engine().stats().sessions_foreign, before + 1, "{name}");
                    cases += 1;
                    publisher = publisher.again(&server);
                    publisher.post(json!([{"channel": "/stolen", "data": cases}, {"channel": "/mine", "data": cases}]));
                    victim.gets(cases, &name);
                }
            }
        }
    }
    show(&format!("hijack: {cases} tries refused"));
    let owners = 3 * TRANSPORTS.len() + 1;
    assert_eq!(cases, owners * CREDENTIALS.len() * (4 * 10 + 2));
}

/// What a browser may be made to send, in one or more `Cookie` headers; `{}` stands for a genuine value.
const COOKIES: &[(&str, &[&str], bool)] = &[
    ("none", &[], true),
    ("genuine", &["BAYEUX_BROWSER={}"], false),
    ("genuine among others", &["a=b; BAYEUX_BROWSER={}; c=d"], false),
    ("a sibling domain's in front", &["BAYEUX_BROWSER=evil; BAYEUX_BROWSER={}"], false),
    ("a sibling domain's behind", &["BAYEUX_BROWSER={}; BAYEUX_BROWSER=evil"], false),
    ("a sibling domain's in a header of its own", &["BAYEUX_BROWSER=evil", "BAYEUX_BROWSER={}"], false),
    ("a sibling domain's alone", &["BAYEUX_BROWSER=0123456789abcdef"], true),
    ("two, neither genuine", &["BAYEUX_BROWSER=evil; BAYEUX_BROWSER=evil2"], true),
    ("empty", &["BAYEUX_BROWSER="], true),
    ("no value", &["BAYEUX_BROWSER"], true),
    ("nothing", &[""], true),
    ("quoted", &["BAYEUX_BROWSER=\"{}\""], true),
    ("longer", &["BAYEUX_BROWSER={}0"], true),
    ("in front of something", &["BAYEUX_BROWSER=0{}"], true),
    ("of another name", &["XBAYEUX_BROWSER={}"], true),
    ("of a name in lower case", &["bayeux_browser={}"], true),
    ("zeros", &["BAYEUX_BROWSER=00000000000000000000000000000000000000000000000000000000000000000000000000000000"], true),
    ("an attribute", &["BAYEUX_BROWSER=; Path=/; HttpOnly"], true),
];

#[test]
fn bx_sec_3_a_cookie_that_is_not_genuine_is_replaced_at_the_handshake() {
    let server = Server::start(FRONT);
    let genuine = |server: &Server| {
        let cookie = Http::open(server).handshake().cookie.clone().unwrap_or_default();
        cookie.strip_prefix("BAYEUX_BROWSER=").expect("a cookie").to_owned()
    };
    let value = genuine(&server);
    let other = genuine(&Server::start(FRONT));
    let mut cases: Vec<(String, Vec<String>, bool)> = Vec::new();
    for (name, cookies, fresh) in COOKIES {
        cases.push(((*name).to_owned(), cookies.iter().map(|cookie| cookie.replace("{}", &value)).collect(), *fresh));
    }
    for (name, cookie) in [
        ("8 KiB", "a".repeat(8192)),
        ("upper case", value.to_uppercase()),
        ("another server's", other),
        ("forged", forged(&value)),
    ] {
        cases.push((name.to_owned(), vec![format!("BAYEUX_BROWSER={cookie}")], true));
    }
    for (name, cookies, fresh) in &cases {
        let headers: Vec<_> = cookies.iter().map(|cookie| ("Cookie", cookie.as_str())).collect();
        let mut posted = Http::open(&server);
        let answer = posted.request("POST", "/bayeux", &headers, handshake().to_string().as_bytes());
        let id = answer.messages()[0]["clientId"].as_str().expect("a session").to_owned();
        let upgraded = Http::open(&server).request("GET", "/bayeux", &[&UPGRADE[..], &headers[..]].concat(), b"");
        assert_eq!((answer.status, upgraded.status), (200, 101), "{name}");
        for response in [&answer, &upgraded] {
            let set = response.header("set-cookie").and_then(|set| set.split(';').next());
            assert_eq!(set.is_some(), *fresh, "{name}: {set:?}");
            let as_minted = |set: &str| set.len() == "BAYEUX_BROWSER=".len() + 80 && !cookies.iter().any(|it| it == set);
            assert!(set.is_none_or(as_minted), "{name}: {set:?}");
        }
        // With what the peer has shown alone the session can be used if that was genuine, and not otherwise.
        let batch = json!([{"channel": "/a", "data": 1, "clientId": id}]).to_string();
        let reply = Http::open(&server).request("POST", "/bayeux", &headers, batch.as_bytes()).messages().remove(0);
        assert_eq!(reply["successful"] == true, !fresh, "{name}: {reply}");
        (posted.id, posted.cookie) = (id, posted.cookie.or_else(|| Some(format!("BAYEUX_BROWSER={value}"))));
        assert_eq!(posted.post(connect("1"))[0]["successful"], true, "{name}");
    }
    show(&format!("cookies: {} cases", cases.len()));
}
