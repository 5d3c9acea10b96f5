//! Values of every type as data. Each is published on its own, so that one which is lost or changed hides none of the others.

use super::code;
use super::subscribe::{failed, open, run};
use crate::case::{Case, Run};
use crate::json::{Json, object, parse};
use crate::peer::Transport;
use crate::scene::Scene;
use crate::verdict::Finding;
use crate::verdict::Level::Must;
use std::rc::Rc;

/// The case about values.
pub(super) fn cases() -> Vec<Case> {
    const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    vec![code("PB-006", Must, &["BX-DL-1", "BX-DL-4"], BOTH, values, "data of any JSON type is delivered as it is")]
}

/// What each is called, in channels and in reports.
const VALUES: [(&str, &str); 10] = [
    ("empty-object", "{}"),
    ("empty-array", "[]"),
    ("empty-text", "\"\""),
    ("zero", "0"),
    ("false", "false"),
    ("text", "\"x\""),
    ("fraction", "1.5"),
    ("negative", "-7"),
    ("object", r#"{"a":[1,{"b":null,"c":"\u20ac"}],"d":{"e":{}}}"#),
    ("arrays-in-an-array", "[[],[[]]]"),
];

fn values(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let [a, b] = [open(&scene, "a", transport).await?, open(&scene, "b", transport).await?];
        a.subscribe(&format!("{}/value/*", scene.base)).await?;
        let mut wrong = Vec::new();
        for (name, text) in VALUES {
            let data = parse(text.as_bytes()).map_err(|error| error.to_string())?.value;
            let channel = format!("{}/value/{name}", scene.base);
            let message = object([("channel", channel.as_str().into()), ("data", data.clone())]);
            let sent = b.send(&[message]);
            let deadline = a.delivery_deadline();
            let is_it = |event: &Json| event.get_str("channel") == Some(&channel);
            a.until(deadline, |peer| peer.has_event(is_it)).await;
            // A second copy would come before this.
            scene.fence(&a).await?;
            let came: Vec<_> = a.take_events().into_iter().filter(is_it).collect();
            if came.len() != 1 || came[0].get("data") != Some(&data) {
                let reply = b.outcome(&sent, 0, deadline).await;
                wrong.push(format!("{name} {data} came as {}; its publish: {reply}", Json::Array(came)));
            }
        }
        Ok(if wrong.is_empty() { Finding::pass() } else { failed(wrong.join("; ")) })
    })
}
