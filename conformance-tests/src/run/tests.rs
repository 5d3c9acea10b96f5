//! Cases against servers that are correct and have habits that a suite may not hold against them.

use super::script;
use crate::case::{Case, Kind, all, parse_file};
use crate::json::parse;
use crate::peer::{PUBLISH_ACK, Transport};
use crate::target::Target;
use crate::testing::{Habits, TestServer, scene};
use crate::verdict::Verdict;
use std::time::Duration;

/// The verdict of these steps against a server of these habits; `knows` is what discovery would have found.
async fn verdict(steps: &str, habits: Habits, knows: impl Fn(&mut Target)) -> Verdict {
    let text = format!(r#"[{{"id":"X-1","level":"must","clauses":["BX-HS-1"],"title":"t","steps":[{steps}]}}]"#);
    verdict_of(&parse_file("f", &text).expect("a case").remove(0), habits, knows).await
}

async fn verdict_of(case: &Case, habits: Habits, knows: impl Fn(&mut Target)) -> Verdict {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let (_, mut target) = TestServer::start(habits).await;
            target.capabilities.insert(PUBLISH_ACK.into());
            knows(&mut target);
            let scene = scene(target);
            let found = match &case.kind {
                Kind::Steps(steps) => script::run(&scene, Transport::LongPolling, steps).await,
                Kind::Code(code) => code(scene.clone(), Transport::LongPolling).await,
                _ => panic!("no case about a server"),
            };
            scene.close();
            found.verdict
        })
        .await
}

const PUBLISHED: &str = r#"{"open":"a","subscribe":["${base}/late"]},{"open":"b"},
    {"send":"b","messages":[{"channel":"${base}/late","data":1}],"expect":[{"successful":true}]}"#;

fn received(events: &str) -> String {
    format!(r#"{PUBLISHED},{{"received":"a","events":[{events}]}}"#)
}

#[tokio::test]
async fn an_event_that_the_fence_overtook_is_waited_for_and_one_that_never_comes_is_missed() {
    let late = |ms| Habits { late: Duration::from_millis(ms), ..Habits::default() };
    assert_eq!(verdict(&received(r#"{"data":1}"#), late(150), |_| {}).await, Verdict::Pass);
    assert_eq!(verdict(&received(r#"{"data":1}"#), late(60_000), |_| {}).await, Verdict::Fail);
    assert_eq!(verdict(&received(r#"{"data":1},{"data":2}"#), late(0), |_| {}).await, Verdict::Fail);
    assert_eq!(verdict(&received(""), late(0), |_| {}).await, Verdict::Fail);
}

#[tokio::test]
async fn many_clients_wait_for_what_the_fence_overtook_too() {
    let case = all().expect("cases").into_iter().find(|case| case.id == "MO-010").expect("there is such a case");
    let late = |ms| Habits { late: Duration::from_millis(ms), late_on: "/own/1", ..Habits::default() };
    let silent = Habits { answers_publishes: false, ..late(0) };
    assert_eq!(verdict_of(&case, late(600), |target| target.budget.answer *= 4).await, Verdict::Pass);
    assert_eq!(verdict_of(&case, silent.clone(), |target| target.capabilities.clear()).await, Verdict::Pass);
    assert_eq!(verdict_of(&case, late(60_000), |_| {}).await, Verdict::Fail);
    let lost = Habits { late: Duration::from_secs(60), ..silent };
    assert_eq!(verdict_of(&case, lost, |target| target.capabilities.clear()).await, Verdict::Fail);
}

#[tokio::test]
async fn an_interval_that_is_longer_than_an_answer_may_take_is_waited_for() {
    let slow = Habits { interval: 500, ..Habits::default() };
    assert_eq!(verdict(&received(r#"{"data":1}"#), slow, |_| {}).await, Verdict::Pass);
}

#[tokio::test]
async fn publishes_without_replies_fail_no_case_and_those_about_the_replies_are_unimplemented() {
    let silent = || Habits { answers_publishes: false, ..Habits::default() };
    let unaware = |target: &mut Target| target.capabilities.clear();
    assert_eq!(verdict(&received(r#"{"data":1}"#), silent(), unaware).await, Verdict::Pass);
    assert_eq!(verdict(PUBLISHED, silent(), unaware).await, Verdict::Unimplemented);
    assert_eq!(verdict(PUBLISHED, silent(), |_| {}).await, Verdict::Fail, "it is known to answer");
    let about =
        received(r#"{"data":1}"#).replace(r#""successful":true"#, r#""successful":true,"data":{"$absent":true}"#);
    assert_eq!(verdict(&about, silent(), unaware).await, Verdict::Unimplemented);
    let looser = |expect: &str| received(r#"{"data":1}"#).replace(r#"{"successful":true}"#, expect);
    for (expect, wanted) in [
        (r#"{"successful":{"$type":"boolean"}}"#, Verdict::Pass),
        (r#"{"$one_of":[{"pass":{"$refused":true}},{"pass":{"successful":true}}]}"#, Verdict::Pass),
        (
            r#"{"$one_of":[{"pass":{"$refused":true}},{"nonstrict":{"successful":true},"label":"l"}]}"#,
            Verdict::Nonstrict,
        ),
        (r#"{"$refused":true}"#, Verdict::Fail),
    ] {
        assert_eq!(verdict(&looser(expect), silent(), unaware).await, wanted, "{expect}");
    }
    let batch = r#""channel":"${base}/late","data":1},{"channel":"/meta/subscribe","subscription":"/x"}],"expect":[{"successful":true},{"successful":true}]"#;
    let batch = received(r#"{"data":1}"#)
        .replace(r#""channel":"${base}/late","data":1}],"expect":[{"successful":true}]"#, batch);
    assert_eq!(verdict(&batch, silent(), unaware).await, Verdict::Pass, "other replies come in its response");
    let lost = looser(r#"{"successful":{"$type":"boolean"}}"#).replace(r#"{"data":1}]}"#, r#"]}"#);
    assert_eq!(verdict(&lost, silent(), unaware).await, Verdict::Fail, "what was delivered is looked at");
    let alive = r#"{"alive":true}"#;
    assert_eq!(verdict(alive, silent(), unaware).await, Verdict::Pass);
}

#[tokio::test]
async fn handshakes_that_cases_write_have_what_a_server_wants_of_every_client() {
    let closed = || Habits { token: Some("t"), ..Habits::default() };
    let invited = |target: &mut Target| target.ext = Some(parse(br#"{"token":"t"}"#).expect("JSON").value);
    let hands =
        r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"],"id":"1"}]"#;
    let http = format!(
        r#"{{"http":{{"headers":{{"Content-Type":"application/json"}},"body":{{"json":{hands}}}}},
            "expect":{{"$response":{{"messages":[{{"successful":true}}]}}}}}}"#
    );
    let send = format!(
        r#"{{"send":"a","messages":{},"expect":[{{"successful":true}}]}}"#,
        hands.replace(r#""id""#, r#""ext":{"ack":true},"id""#)
    );
    for steps in [http, send, r#"{"open":"a"},{"alive":true}"#.to_owned()] {
        assert_eq!(verdict(&steps, closed(), invited).await, Verdict::Pass, "{steps}");
        assert!(verdict(&steps, closed(), |_| {}).await > Verdict::Nonstrict, "{steps}");
    }
}

#[tokio::test]
async fn a_time_that_the_timeout_hides_is_not_judged() {
    let connect = r#"{"open":"a","manual":true},{"send":"a","messages":[{"channel":"/meta/connect","connectionType":"long-polling"}],
        "expect":[{"successful":true}],"within":"0.8T"}"#;
    let slow = |target: &mut Target| target.budget.slowest = Duration::from_millis(20);
    let fast = |target: &mut Target| target.budget.timeout = Duration::from_secs(1);
    assert_eq!(verdict(connect, Habits::default(), slow).await, Verdict::Inconclusive);
    assert_eq!(verdict(connect, Habits::default(), fast).await, Verdict::Pass);
    let after = |expect: &str| {
        let sent = connect.split_once("\n").map_or("", |(sent, _)| sent);
        let judged = format!(r#"{{"elapse":"300ms"}},{{"expect_of":"r","expect":[{expect}],"within":"0.8T"}}"#);
        format!(r#"{sent}"as":"r"}},{judged}"#)
    };
    let (right, wrong) = (after(r#"{"successful":true}"#), after(r#"{"successful":false}"#));
    assert_eq!(verdict(&right, Habits::default(), slow).await, Verdict::Inconclusive);
    assert_eq!(verdict(&wrong, Habits::default(), slow).await, Verdict::Fail, "it is wrong whenever it came");
    let fails = connect.replace("0.8T", "0.1T");
    assert_eq!(verdict(&fails, Habits::default(), fast).await, Verdict::Fail);
}
