//! A binding case fixes no order: that events of one publisher and channel come as they were sent is recommended (BX-DL-6), and
//! nothing is said of events of several channels, or of events and the replies beside them.

use serde_json::Value;

use super::cases::is_case_file;
use crate::tidy::source::{Finding, Source};

/// Refuses binding cases that list several messages in the order in which they have to come.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| is_case_file(source)) {
        // What is no JSON is found where cases are read.
        let Ok(Value::Array(cases)) = serde_json::from_str(&source.text) else { continue };
        for case in cases.iter().filter(|case| case["level"] == "must") {
            let mut lengths = Vec::new();
            ordered(&case["steps"], &mut lengths);
            for length in lengths.into_iter().filter(|length| *length > 1) {
                let id = case["id"].as_str().unwrap_or_default();
                let what = format!("{id} is binding and fixes the order of {length} messages; no binding clause does");
                findings.push(Finding { path: source.path.clone(), line: None, what });
            }
        }
    }
    findings
}

/// The lengths of the lists of messages that have to come as they stand there: events that were received, messages of a response.
fn ordered(value: &Value, lengths: &mut Vec<usize>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| ordered(item, lengths)),
        Value::Object(members) => {
            let free = members.get("any_order") == Some(&Value::Bool(true));
            let is_sent = members.contains_key("send");
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("events", Value::Array(list)) if !free => lengths.push(list.len()),
                    ("messages", Value::Array(list)) if !is_sent => lengths.push(list.len()),
                    _ => ordered(member, lengths),
                }
            }
        }
        _ => {}
    }
}
