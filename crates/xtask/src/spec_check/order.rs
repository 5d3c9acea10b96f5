//! A binding case asks for an order only within one channel: what one publisher sends to two channels, and what answers a request
//! beside it, may come in any.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cases::is_case_file;
use crate::tidy::source::{Finding, Source};

/// Refuses events or replies of more than one channel in a fixed order, where a case is binding.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| is_case_file(source)) {
        // What is no JSON is found where cases are read.
        let Ok(Value::Array(cases)) = serde_json::from_str(&source.text) else { continue };
        for case in cases.iter().filter(|case| case["level"] == "must") {
            let published = published(&case["steps"]);
            let mut lists = Vec::new();
            ordered(&case["steps"], &mut lists);
            for channels in lists.into_iter().map(|list| channels(list, &published)).filter(|found| found.len() > 1) {
                let id = case["id"].as_str().unwrap_or_default();
                let names = channels.into_iter().collect::<Vec<_>>().join(", ");
                let what = format!("{id} is binding and fixes an order between {names}; let it be `any_order`");
                findings.push(Finding { path: source.path.clone(), line: None, what });
            }
        }
    }
    findings
}

/// The lists of messages that have to come as they stand there: events that were received, and the messages of a response.
fn ordered<'a>(value: &'a Value, lists: &mut Vec<&'a [Value]>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| ordered(item, lists)),
        Value::Object(members) => {
            let free = members.get("any_order") == Some(&Value::Bool(true));
            let is_sent = members.contains_key("send");
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("events", Value::Array(list)) if members.contains_key("received") && !free => lists.push(list),
                    ("messages", Value::Array(list)) if !is_sent => lists.push(list),
                    _ => ordered(member, lists),
                }
            }
        }
        _ => {}
    }
}

/// The channels of these patterns. One that names none may be about whatever the case publishes to.
fn channels(list: &[Value], published: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if list.len() > 1 {
        for pattern in list {
            match pattern["channel"].as_str() {
                Some(channel) => drop(found.insert(channel.to_owned())),
                None => found.extend(published.iter().cloned()),
            }
        }
    }
    found
}

/// The channels that the steps of a case publish to.
fn published(steps: &Value) -> BTreeSet<String> {
    let sent = steps.as_array().into_iter().flatten().filter(|step| step.get("send").is_some());
    let messages = sent.filter_map(|step| step["messages"].as_array()).flatten();
    let publishes = messages.filter(|message| message.get("data").is_some());
    publishes.filter_map(|message| message["channel"].as_str()).map(str::to_owned).collect()
}
