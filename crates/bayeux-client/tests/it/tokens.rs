//! Servers that want a token, and another one after a while.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use bayeux_client::{Client, Error, NetworkFault, Token, Transports};

use super::{builder, server, server::Server, soon};

/// A client whose source gives the number that it was asked for the how-manieth time.
async fn connect(server: &Server, transports: Transports, asked: &Arc<AtomicU32>) -> Result<Client, Error> {
    let asked = asked.clone();
    let source = move || {
        let number = asked.fetch_add(1, Relaxed) + 1;
        async move { Ok::<_, std::io::Error>(Token::new(number.to_string())) }
    };
    let builder = builder(&server.url()).transports(transports).token(source);
    soon(builder.connect_timeout(std::time::Duration::from_secs(2)).connect()).await
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_and_nothing_is_lost() {
    for transports in [Transports::LongPolling, Transports::WebSocketFirst] {
        // The first is refused already.
        let (valid, asked) = (Arc::new(AtomicU32::new(2)), Arc::new(AtomicU32::new(0)));
        let server = Server::guarded(server::options(), valid.clone());
        let client = connect(&server, transports, &asked).await.expect("the second is believed");
        let mut subscription = soon(client.subscribe("/a")).await.expect("it is confirmed");
        assert_eq!(asked.load(Relaxed), 2);
        valid.store(3, Relaxed);
        soon(client.publish("/a", &1)).await.expect("it is published");
        assert_eq!(soon(subscription.next()).await.expect("it comes").expect("nothing is missing").data.as_str(), "1");
        let polls = transports == Transports::LongPolling;
        assert_eq!(asked.load(Relaxed), if polls { 3 } else { 2 }, "a WebSocket needs it when it is opened");
        soon(client.disconnect()).await.expect("it ends");
    }
}

#[tokio::test]
async fn a_server_that_believes_no_token_is_asked_with_two_at_a_time() {
    let (valid, asked) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let server = Server::guarded(server::options(), valid);
    let error = connect(&server, Transports::LongPolling, &asked).await.expect_err("it is refused");
    assert!(matches!(error, Error::Network { fault: NetworkFault::Status(401), .. }), "{error}");
    assert!((2..40).contains(&asked.load(Relaxed)), "{asked:?}");
}
