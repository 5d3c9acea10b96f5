//! One page that shows everything: a column for each implementation, a row for each case, and what went over the wire behind each
//! verdict. It holds its data and loads nothing.

use crate::json::{Json, object};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// What the first letters of a case's id stand for.
const GROUPS: [(&str, &str); 25] = [
    ("ALL", "Every message of the run"),
    ("ENV", "The envelope of HTTP"),
    ("BAD", "Malformed input"),
    ("HS", "Handshake"),
    ("CN", "Connect"),
    ("DC", "Disconnect"),
    ("SB", "Subscribe"),
    ("US", "Unsubscribe"),
    ("CH", "Channels and patterns"),
    ("PB", "Publish"),
    ("DL", "Delivery"),
    ("MS", "Meta and service channels"),
    ("ID", "Ids of messages"),
    ("BT", "Batches"),
    ("SE", "Lifetime of sessions"),
    ("AD", "Advice"),
    ("JP", "Callback-polling"),
    ("WS", "WebSocket"),
    ("ST", "Streaming"),
    ("AK", "Acknowledgement"),
    ("EX", "Extensions"),
    ("SC", "Security"),
    ("LM", "Limits"),
    ("MO", "Concurrency"),
    ("CL", "Clients"),
];

/// The page of these results, as [`super::result`] makes them, with the texts of the clauses that they are about.
pub fn html(results: &[Json], clauses: &dyn Fn(&str) -> Option<String>) -> String {
    let ids: BTreeSet<&str> = results
        .iter()
        .filter_map(|result| result.get("cases")?.as_array())
        .flatten()
        .filter_map(|case| case.get("clauses")?.as_array())
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let texts = ids.into_iter().filter_map(|id| Some((id.to_owned(), Json::String(clauses(id)?)))).collect();
    let about = match results {
        [one] => format!("{}, suite {}", text(one, "name"), text(one, "suite")),
        several => {
            format!("{} implementations, suite {}", several.len(), several.first().map_or("", |one| text(one, "suite")))
        }
    };
    let data = object([
        ("about", about.into()),
        ("groups", Json::Object(GROUPS.map(|(id, name)| (id.to_owned(), name.into())).into())),
        ("clauses", Json::Object(texts)),
        ("results", Json::Array(results.to_vec())),
    ]);
    // Within a script, `<` could end it.
    let data = data.to_string().replace('<', "\\u003c");
    PAGE.replacen("/*CSS*/", STYLE, 1).replacen("/*JS*/", SCRIPT, 1).replacen("/*DATA*/", &data, 1)
}

fn text<'a>(result: &'a Json, name: &str) -> &'a str {
    result.get_str(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn what_a_peer_wrote_can_not_leave_the_data() {
        let result = r#"{"name":"x</script><script>alert(1)</script>","cases":[{"clauses":["BX-HS-1"]}]}"#;
        let result = parse(result.as_bytes()).expect("JSON").value;
        let page = html(&[result], &|id| Some(format!("text of {id}")));
        assert!(!page.contains("<script>alert"));
        assert!(page.contains("text of BX-HS-1"));
        assert!(!page.contains("/*DATA*/"), "the data stands in its place");
    }
}
