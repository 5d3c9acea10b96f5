//! The same endpoint by TLS.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bayeux_server::{FrontOptions, ServerConfig, TlsError, tls_config};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::{
    client::{Http, closed_sockets_take_nothing, connect, handshake},
    server::Server,
    transport::{Receiver, STREAMS, is_answered},
};

/// A certificate for `localhost`, its key, and a client that trusts it.
pub(super) struct Keys {
    folder: std::path::PathBuf,
    client: Arc<ClientConfig>,
}

impl Keys {
    pub(super) fn make(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("bayeux-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { folder, client: Arc::new(client) }
    }

    /// The server's side.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        tls_config(&self.folder.join("cert.pem"), &self.folder.join("key.pem")).expect("sound files")
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_endpoint_and_the_application_are_served_by_tls() {
    let keys = Keys::make("serve");
    let server = Server::with_tls(keys.config());
    let stream = TcpStream::connect(server.address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket option");
    let name = "localhost".try_into().expect("a name");
    let connection = ClientConnection::new(keys.client.clone(), name).expect("a client");
    let mut tls = StreamOwned::new(connection, stream);
    let body = handshake().to_string();
    write!(tls, "POST /bayeux HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .expect("written");
    let answer = read_until(&mut tls, "}]");
    assert!(answer.contains("SameSite=Lax; Secure") && answer.contains("\"successful\":true"), "{answer}");
    assert_eq!(tls.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    write!(tls, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("written");
    assert!(read_until(&mut tls, "127.0.0.1:").contains("https 127.0.0.1:"));
}

#[test]
fn a_socket_that_closed_before_a_publish_takes_nothing_with_it() {
    let keys = Keys::make("gone");
    let server = Server::with_tls(keys.config());
    let open = || {
        let name = "localhost".try_into().expect("a name");
        Http::open(&server).by_tls(ClientConnection::new(keys.client.clone(), name).expect("a client"))
    };
    closed_sockets_take_nothing(open, |gone| gone.http.close_notify());
}

#[test]
fn a_stream_by_tls_gets_what_is_published_until_its_peer_closes() {
    let keys = Keys::make("stream");
    let server = Server::with_tls(keys.config());
    let open = || {
        let name = "localhost".try_into().expect("a name");
        Http::open(&server).by_tls(ClientConnection::new(keys.client.clone(), name).expect("a client"))
    };
    let mut publisher = open().with_session();
    for transport in STREAMS {
        let mut session = open().with_session();
        session.subscribe("/a");
        let again = || open().of(&session);
        for n in 0..100 {
            let mut stream = Receiver::ask(again(), transport, &transport.connect("c"), &[]);
            assert!(is_answered(&stream.messages()));
            publisher.post(json!([{"channel": "/a", "data": [n, "x".repeat(20_000)]}]));
            assert_eq!(stream.messages()[0]["data"][0], json!(n), "{transport:?}");
            if n % 2 == 0 {
                stream.http_mut().close_notify();
            }
            drop(stream);
            publisher.post(json!([{"channel": "/a", "data": n}]));
            let messages = again().post(connect("next"));
            assert_eq!(messages[0], json!({"channel": "/a", "data": n}), "{transport:?}");
        }
    }
}

#[test]
fn one_that_speaks_no_tls_is_counted_and_let_go() {
    let keys = Keys::make("plain");
    let server = Server::with_tls(keys.config());
    let mut stream = TcpStream::connect(server.address).expect("the server listens");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("written");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    crate::server::wait_until(|| server.bayeux.stats().handshakes_failed == 1);
}

#[test]
fn one_connection_too_many_is_told_by_tls() {
    let keys = Keys::make("many");
    let mut limits = FrontOptions::default();
    limits.max_connections = 1;
    let server = Server::with_tls_and_limits(keys.config(), limits);
    let open = || {
        let name = "localhost".try_into().expect("a name");
        Http::open(&server).by_tls(ClientConnection::new(keys.client.clone(), name).expect("a client"))
    };
    let first = open().with_session();
    let mut second = open();
    let answer = second.request("GET", "/bayeux", &[], b"");
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")));
    assert_eq!(server.bayeux.stats().connections_refused, 1);
    drop(first);
}

#[test]
fn files_that_will_not_do_are_named() {
    let (keys, other) = (Keys::make("files"), Keys::make("other"));
    let (cert, key) = (keys.folder.join("cert.pem"), keys.folder.join("key.pem"));
    let missing = tls_config(Path::new("/nowhere/cert.pem"), &key).expect_err("no file");
    assert!(missing.to_string().starts_with("/nowhere/cert.pem: "), "{missing}");
    assert!(matches!(tls_config(&key, &key), Err(TlsError::Certificates { .. })));
    assert!(matches!(tls_config(&cert, &cert), Err(TlsError::Key { .. })));
    assert!(matches!(tls_config(&cert, &other.folder.join("key.pem")), Err(TlsError::Pair(_))));
}

fn read_until(stream: &mut impl Read, end: &str) -> String {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&all).contains(end) {
        let read = stream.read(&mut chunk).expect("more to come");
        assert_ne!(read, 0, "ended early: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}
