//! Over TLS: a server is believed if its certificate is signed by one of the roots that were chosen.

use std::time::Duration;

use bayeux_client::{ApplicationFault, ConnectionType, Error, NetworkFault, Roots, State, Transports};

use super::{builder, server, server::Server, soon, until};

#[tokio::test]
async fn rfc_8446_a_server_is_believed_by_the_roots_that_were_chosen() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = Server::with_tls(server::options(), &certificate, &key);
    let url = format!("https://localhost:{}/bayeux", server.address.port());

    let client = builder(&url).roots(Roots::Only(certificate.into_bytes()));
    let client = soon(client.connect()).await.expect("it connects");
    until(&client, |state| *state == State::Connected { transport: ConnectionType::WebSocket }).await;
    let mut subscription = soon(client.subscribe("/a")).await.expect("it is confirmed");
    soon(client.publish("/a", &1)).await.expect("it is published");
    assert_eq!(soon(subscription.next()).await.expect("it comes").expect("nothing is missing").data.as_str(), "1");
    soon(client.disconnect()).await.expect("it disconnects");

    for roots in [Roots::System, Roots::Bundled] {
        let client = builder(&url).roots(roots).transports(Transports::LongPolling);
        let client = client.connect_timeout(Duration::from_secs(1));
        let refused = soon(client.connect()).await.expect_err("nobody has signed it");
        let Error::Network { fault: NetworkFault::Connection(why), .. } = refused else { panic!("{refused:?}") };
        assert!(why.contains("certificate"), "{why}");
    }
    let wrong = builder(&url).header("cookie", "a=b").connect().await;
    assert!(matches!(wrong, Err(Error::Application { fault: ApplicationFault::Option(_), .. })), "{wrong:?}");
    let wrong = builder(&url).roots(Roots::Only(b"x".to_vec())).connect().await;
    assert!(matches!(wrong, Err(Error::Application { fault: ApplicationFault::Option(_), .. })), "{wrong:?}");
}
