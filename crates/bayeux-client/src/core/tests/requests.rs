//! Publishes and calls: their order, their replies, the queue.

use super::*;
use crate::error::ApplicationFault;

#[test]
fn bx_pb_3_what_is_published_meanwhile_goes_with_the_next_batch_in_order() {
    let (mut world, _connect) = World::connected(polling());
    world.input(Input::Publish(vec![publish(1, "/a")]));
    let first = world.sent("/a");
    assert_eq!(first.message.client_id.as_deref(), Some("c1"));
    world.input(Input::Publish(vec![publish(2, "/a")]));
    world.input(Input::Publish(vec![publish(3, "/b")]));
    assert!(world.is_quiet());
    world.reply(&first, r#""successful":true"#);
    let batch = world.batch();
    let data: Vec<_> = batch.iter().map(|sent| sent.message.data.as_ref().expect("it has data").as_str()).collect();
    assert_eq!(data, ["2", "3"]);
}

#[test]
fn bx_fld_7_replies_are_matched_by_id_in_any_order() {
    let (mut world, _connect) = World::connected(polling());
    world.input(Input::Publish(vec![publish(1, "/a"), publish(2, "/a")]));
    let batch = world.batch();
    let replies =
        [text(&batch[1], r#""successful":true"#), text(&batch[0], r#""successful":false,"error":"403:x,y:no""#)];
    world.receive(batch[0].connection, &format!("[{}]", replies.join(",")));
    let Some(Err(Error::Server { doing, refusal })) = world.outcome(1) else { panic!("{:?}", world.outcome(1)) };
    assert_eq!(doing.to_string(), "publishing to /a");
    assert_eq!((refusal.code, refusal.args.len(), &*refusal.text), (Some(403), 2, "no"));
    assert!(matches!(world.outcome(2), Some(Ok(_))));
}

#[test]
fn bx_hrd_10_a_delivery_with_the_id_of_a_request_is_no_reply() {
    let (mut world, _connect) = World::connected(polling());
    world.subscribe(1, "/a");
    let subscribe = world.sent("/meta/subscribe");
    world.reply(&subscribe, r#""successful":true"#);
    world.input(Input::Publish(vec![publish(1, "/a")]));
    let sent = world.sent("/a");
    let forged = [text(&sent, r#""data":1"#), text(&sent, r#""data":2,"successful":false"#)];
    let reply = text(&sent, r#""successful":true"#);
    world.receive(sent.connection, &format!("[{},{reply}]", forged.join(",")));
    assert!(matches!(world.outcome(1), Some(Ok(_))));
    assert_eq!(world.delivered(), [(1, "1".to_owned()), (1, "2".to_owned())]);
}

#[test]
fn bx_cli_2_a_publish_without_an_answer_is_reported_and_keeps_nobody() {
    let (mut world, _connect) = World::connected(polling());
    world.input(Input::Publish(vec![publish(1, "/a")]));
    let first = world.sent("/a");
    world.input(Input::Publish(vec![publish(2, "/b")]));
    world.pass(ms(10_250));
    assert_eq!(world.abandoned(), first.connection);
    assert!(matches!(world.outcome(1), Some(Err(Error::Network { fault: NetworkFault::Timeout, .. }))));
    world.sent("/b");
}

#[test]
fn bx_adv_9_batches_that_fail_are_no_tight_loop() {
    let (mut world, _connect) = World::connected(polling());
    world.input(Input::Publish(vec![publish(0, "/a")]));
    for request in 1..5 {
        let sent = world.sent("/a");
        let before = world.now;
        world.lose(sent.connection);
        world.input(Input::Publish(vec![publish(request, "/a")]));
        while world.is_quiet() {
            world.pass(ms(10));
        }
        assert!(world.now >= before + ms(100));
        assert!(matches!(world.outcome(request - 1), Some(Err(Error::Network { .. }))));
    }
}

#[test]
fn the_queue_is_bounded_and_what_was_taken_stays() {
    let mut world = World::new(Config { queue_messages: 2, ..polling() });
    world.input(Input::Open);
    for request in 1..4 {
        world.input(Input::Publish(vec![publish(request, "/a")]));
    }
    assert_eq!((world.outcome(1), world.outcome(2)), (None, None));
    let Some(Err(Error::Application { fault: ApplicationFault::QueueFull, .. })) = world.outcome(3) else {
        panic!("{:?}", world.outcome(3))
    };
    let mut world = World::new(Config { queue_bytes: 6, ..polling() });
    world.input(Input::Publish(vec![publish(1, "/a"), publish(2, "/a"), publish(3, "/a")]));
    assert_eq!((world.outcome(2), world.outcome(3).is_some()), (None, true));
}

#[test]
fn a_call_ends_with_its_result_on_whatever_connection_it_comes() {
    let (mut world, connect) = World::connected(polling());
    world.input(Input::Call(publish(1, "/service/sum")));
    let call = world.sent("/service/sum");
    world.reply(&call, r#""successful":true"#);
    assert_eq!(world.outcome(1), None);
    let result = text(&call, r#""successful":true,"data":42"#);
    let reply = text(&connect, r#""successful":true"#);
    world.receive(connect.connection, &format!("[{result},{reply}]"));
    let Some(Ok(data)) = world.outcome(1) else { panic!("{:?}", world.outcome(1)) };
    assert_eq!(data.as_ref().map(Json::as_str), Some("42"));
}

#[test]
fn a_call_that_is_refused_or_has_no_result_fails() {
    let (mut world, _connect) = World::connected(polling());
    world.input(Input::Call(publish(1, "/service/sum")));
    let call = world.sent("/service/sum");
    world.reply(&call, r#""successful":false,"error":"403::no""#);
    assert!(matches!(world.outcome(1), Some(Err(Error::Server { .. }))));
    world.input(Input::Call(publish(2, "/service/sum")));
    let call = world.sent("/service/sum");
    world.reply(&call, r#""successful":true"#);
    world.pass(ms(10_000));
    assert!(matches!(world.outcome(2), Some(Err(Error::Network { fault: NetworkFault::Timeout, .. }))));
}
