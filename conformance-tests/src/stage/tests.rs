//! Each kind of step against a client that keeps it and one that breaks it, over real connections.

use super::{Actor, Host, play};
use crate::case::{Kind, parse_file};
use crate::json::Json;
use crate::observer::Observer;
use crate::peer::{Transport, messages_of};
use crate::verdict::Verdict;
use crate::wire::http::{Body, Request, read_response};
use crate::wire::stream::{Address, Stream};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const HANDSHAKE: &str = r#"{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}"#;
const CONNECT: &str = r#"{"channel":"/meta/connect","clientId":"ID","connectionType":"long-polling"}"#;
const SUBSCRIBE: &str = r#"{"channel":"/meta/subscribe","clientId":"ID","subscription":"/conformance/do"}"#;

/// What a client does: sends a message, with `ID` for its clientId, does so and goes on only if it is answered, or waits so many
/// milliseconds.
#[derive(Clone, Copy)]
enum Does {
    Sends(&'static str),
    Asks(&'static str),
    Waits(u64),
}

use Does::{Asks, Sends, Waits};

/// The verdict on a client that does this.
async fn verdict(steps: &str, does: &[Does]) -> Verdict {
    let text = format!(
        r#"[{{"id":"X-1","role":"client","level":"must","clauses":["BX-HS-1"],"title":"t","steps":[{steps}]}}]"#
    );
    let case = parse_file("f", &text).expect(steps).remove(0);
    let Kind::Stage(steps) = case.kind else { panic!("a case about a client") };
    let host = Host::start("127.0.0.1:0").await.expect("a free port");
    let address = host.address;
    let mut actor = Actor::new(host, None, |_, _| {});
    (actor.budget.timeout, actor.budget.answer) = (Duration::from_millis(500), Duration::from_millis(500));
    let observer = Rc::new(Observer::default());
    let client = tokio::task::spawn_local(client(address.port(), does.to_vec()));
    let played = play(&actor, &observer, Transport::LongPolling, &steps, ("X-1", "x")).await;
    client.abort();
    played.finding.verdict
}

async fn client(port: u16, does: Vec<Does>) {
    let mut id = String::new();
    let mut open = Vec::new();
    for what in does {
        let message = match what {
            Waits(ms) => {
                sleep(Duration::from_millis(ms)).await;
                continue;
            }
            Sends(message) | Asks(message) => message.replace("ID", &id),
        };
        let address = Address { host: "127.0.0.1".into(), port, tls: None };
        let Ok(mut stream) = Stream::connect(&address).await else { return };
        let body = Body::Sized(format!("[{message}]").into_bytes());
        let headers = vec![("Content-Type".into(), "application/json".into())];
        let request = Request { method: "POST".into(), target: "/x/bayeux".into(), headers, body };
        stream.write(&request.encode("localhost")).await.expect("the stage reads");
        // A connect that is held is left behind.
        if let Ok(Ok(response)) = timeout(Duration::from_millis(50), read_response(&mut stream, "POST")).await {
            let messages = messages_of(&response.body).unwrap_or_default();
            if let Some(new) = messages.iter().find_map(|message| message.get_str("clientId")) {
                id = new.to_owned();
            }
        } else if matches!(what, Asks(_)) {
            break;
        }
        open.push(stream);
    }
    // Its connections stay open.
    sleep(Duration::from_secs(60)).await;
}

/// Both clients at once, for their time.
async fn tells_apart(steps: &str, keeps: &[Does], breaks: &[Does], otherwise: Verdict) {
    let local = tokio::task::LocalSet::new();
    let both = async { tokio::join!(verdict(steps, keeps), verdict(steps, breaks)) };
    assert_eq!(local.run_until(both).await, (Verdict::Pass, otherwise), "{steps}");
}

#[tokio::test]
async fn a_message_that_is_awaited_must_fit_and_come_in_time_after_none_that_is_forbidden() {
    let connect = r#"{"await":{"channel":"/meta/handshake"}},{"await":{"channel":"/meta/connect"}"#;
    let old = HANDSHAKE.replace("1.0", "0.9").leak();
    let steps = r#"{"await":{"channel":"/meta/handshake"},"expect":{"version":"1.0"}}"#;
    tells_apart(steps, &[Sends(HANDSHAKE)], &[Sends(old)], Verdict::Fail).await;
    let steps = r#"{"await":{"channel":"/meta/handshake"},"request":{"batch":[{"version":"1.0"}]}}"#;
    tells_apart(steps, &[Sends(HANDSHAKE)], &[Sends(old)], Verdict::Fail).await;
    let steps = format!(r#"{connect},"within":"300ms"}}"#);
    tells_apart(&steps, &[Sends(HANDSHAKE), Sends(CONNECT)], &[Sends(HANDSHAKE)], Verdict::Fail).await;
    let steps = format!(r#"{connect},"not_before":"100ms","otherwise":"nonstrict"}}"#);
    let patient = [Sends(HANDSHAKE), Waits(150), Sends(CONNECT)];
    tells_apart(&steps, &patient, &[Sends(HANDSHAKE), Sends(CONNECT)], Verdict::Nonstrict).await;
    let steps = format!(r#"{connect},"forbid":[{{"channel":"/x"}}]}}"#);
    let early = [Sends(HANDSHAKE), Sends(r#"{"channel":"/x","clientId":"ID","data":1}"#), Sends(CONNECT)];
    tells_apart(&steps, &[Sends(HANDSHAKE), Sends(CONNECT)], &early, Verdict::Fail).await;
}

#[tokio::test]
async fn a_connect_that_does_not_want_to_be_held_is_not() {
    let steps = r#"{"await":{"channel":"/meta/handshake"}},{"await":{"channel":"/x"},"within":"300ms"}"#;
    let at_once =
        r#"{"channel":"/meta/connect","clientId":"ID","connectionType":"long-polling","advice":{"timeout":0}}"#;
    let publish = Sends(r#"{"channel":"/x","clientId":"ID","data":1}"#);
    let publishes_after = |connect| [Sends(HANDSHAKE), Sends(CONNECT), Asks(connect), publish];
    tells_apart(steps, &publishes_after(at_once), &publishes_after(CONNECT), Verdict::Fail).await;
}

#[tokio::test]
async fn silence_and_numbers_of_messages_are_judged() {
    let first = r#"{"await":{"channel":"/meta/handshake"}}"#;
    let (once, twice) = ([Sends(HANDSHAKE)], [Sends(HANDSHAKE), Sends(HANDSHAKE)]);
    tells_apart(&format!(r#"{first},{{"quiet":"200ms"}}"#), &once, &twice, Verdict::Fail).await;
    let steps = format!(r#"{first},{{"quiet":"200ms","but":[{{"channel":"/meta/handshake"}}]}}"#);
    tells_apart(&steps, &twice, &[Sends(HANDSHAKE), Sends(CONNECT)], Verdict::Fail).await;
    let rate = |limit| format!(r#"{first},{{"rate":{{"of":{{"version":"1.0"}},"during":"200ms",{limit}}}}}"#);
    tells_apart(&rate(r#""at_most":0"#), &once, &twice, Verdict::Fail).await;
    tells_apart(&rate(r#""at_least":1"#), &twice, &once, Verdict::Fail).await;
    let steps = format!(r#"{first},{{"outage":"200ms","at_most":0}}"#);
    tells_apart(&steps, &once, &twice, Verdict::Fail).await;
}

#[tokio::test]
async fn a_client_that_does_not_begin_blocks_and_reports_are_compared() {
    const DONE: &str = r#"{"channel":"/conformance/told","clientId":"ID",
        "data":[{"seq":1,"n":1,"ok":true},{"seq":2,"n":1000001,"ok":true}]}"#;
    const TWICE: &str = r#"{"channel":"/conformance/told","clientId":"ID",
        "data":[{"seq":1,"n":1,"ok":true},{"seq":2,"got":["/x",1]},{"seq":3,"n":1000001,"ok":true}]}"#;
    let steps = r#"{"begin":true},{"do":{"n":1}},{"told":[{"n":1,"ok":true}]}"#;
    let begins = [Sends(HANDSHAKE), Sends(CONNECT), Sends(SUBSCRIBE), Sends(CONNECT)];
    let (keeps, breaks) = ([&begins[..], &[Sends(DONE)]].concat(), [&begins[..], &[Sends(TWICE)]].concat());
    tells_apart(steps, &keeps, &breaks, Verdict::Fail).await;
    let mine = r#"{"begin":true},{"release":{}},{"await":{"channel":"/meta/connect"}}"#;
    let goes_on = [&begins[..], &[Sends(CONNECT)]].concat();
    tells_apart(mine, &goes_on, &begins, Verdict::Fail).await;
}

#[tokio::test]
async fn what_the_client_is_sent_is_what_the_case_says() {
    let local = tokio::task::LocalSet::new();
    local.run_until(async {
        let host = Host::start("127.0.0.1:0").await.expect("a free port");
        let text = r#"[{"id":"X-1","role":"client","level":"must","clauses":["BX-HS-1"],"title":"t","steps":[
            {"await":{"channel":"/meta/handshake"},"answer":{"successful":false,"error":"403::no","x":null,
              "$twice":true,"$events_before":[{"channel":"/b","data":"${transport}"}],"$headers":{"X-A":"b"},"$chunked":true}},
            {"quiet":"100ms"}]}]"#;
        let case = parse_file("f", text).expect("a case").remove(0);
        let Kind::Stage(steps) = case.kind else { panic!("a case about a client") };
        let (actor, observer) = (Actor::new(host.clone(), None, |_, _| {}), Rc::new(Observer::default()));
        let asking = async {
            let address = Address { host: "127.0.0.1".into(), port: host.address.port(), tls: None };
            let mut stream = Stream::connect(&address).await.expect("it listens");
            let body = Body::Sized(format!("[{HANDSHAKE}]").into_bytes());
            let request = Request { method: "POST".into(), target: "/x/bayeux".into(), headers: Vec::new(), body };
            // The stage is opened by the other half of the join, which has run first.
            stream.write(&request.encode("localhost")).await.expect("the stage reads");
            read_response(&mut stream, "POST").await.expect("a response")
        };
        let played = play(&actor, &observer, Transport::LongPolling, &steps, ("X-1", "x"));
        let (played, response) = tokio::join!(played, asking);
        assert_eq!(played.finding.verdict, Verdict::Pass);
        assert_eq!(response.header("x-a"), Some("b"));
        let reply = r#"{"channel":"/meta/handshake","successful":false,"error":"403::no"}"#;
        let wanted = format!(r#"[{{"channel":"/b","data":"long-polling"}},{reply},{reply}]"#);
        let found = messages_of(&response.body).expect("messages");
        assert_eq!(Json::Array(found).to_string(), wanted);
    }).await;
}
