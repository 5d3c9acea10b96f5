//! One page that shows everything: a column for each implementation, a row for each case, and what went over the wire behind each
//! verdict. It holds its data and loads nothing.

use crate::json::{Json, object};
use crate::spec::{self, Clause};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// How much of a transcript the page holds: as many entries of its beginning and of its end, and as many characters of each.
const ENTRIES: usize = 30;
const CHARACTERS: usize = 1000;

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
pub fn html(results: &[Json], clauses: &dyn Fn(&str) -> Option<Clause>) -> String {
    let ids: BTreeSet<&str> = results
        .iter()
        .filter_map(|result| result.get("cases")?.as_array())
        .flatten()
        .filter_map(|case| case.get("clauses")?.as_array())
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let described = |id: &str| {
        let Clause { text, level, origin } = clauses(id)?;
        Some((id.to_owned(), object([("text", text.into()), ("level", level.into()), ("origin", origin.into())])))
    };
    let texts = ids.into_iter().filter_map(described).collect();
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
        ("results", Json::Array(results.iter().cloned().map(|result| shortened(result, clauses)).collect())),
    ]);
    // Within a script, `<` could end it.
    let data = data.to_string().replace('<', "\\u003c");
    PAGE.replacen("/*CSS*/", STYLE, 1).replacen("/*JS*/", SCRIPT, 1).replacen("/*DATA*/", &data, 1)
}

/// What goes on for long is left out in its middle. Whoever wants it all has the JSON.
fn shortened(mut result: Json, clauses: &dyn Fn(&str) -> Option<Clause>) -> Json {
    let cases = result.get("cases").and_then(Json::as_array).unwrap_or_default();
    let cases = cases.iter().cloned().map(|mut case| {
        let transcript = case.get("transcript").and_then(Json::as_array).unwrap_or_default();
        let left_out = transcript.len().saturating_sub(2 * ENTRIES);
        let mut short: Vec<Json> = transcript.iter().take(ENTRIES).cloned().collect();
        if left_out > 0 {
            let note = format!("{left_out} more are not shown");
            short.push(object([("direction", "note".into()), ("who", "".into()), ("text", note.into())]));
        }
        short.extend(transcript.iter().skip(ENTRIES.max(transcript.len().saturating_sub(ENTRIES))).cloned());
        for entry in &mut short {
            let text = entry.get_str("text").unwrap_or_default();
            if let Some((end, _)) = text.char_indices().nth(CHARACTERS) {
                let text = format!("{}…", &text[..end]);
                entry.set("text", text.into());
            }
        }
        case.set("transcript", Json::Array(short));
        case.set("origin", origin_of(&case, clauses).into());
        case
    });
    let cases = Json::Array(cases.collect());
    result.set("cases", cases);
    result
}

/// From where the requirement of a case in a result comes.
pub(super) fn origin_of(case: &Json, clauses: &dyn Fn(&str) -> Option<Clause>) -> &'static str {
    let ids = case.get("clauses").and_then(Json::as_array).unwrap_or_default();
    spec::origin(&mut ids.iter().filter_map(|id| clauses(id.as_str()?)))
}

fn text<'a>(result: &'a Json, name: &str) -> &'a str {
    result.get_str(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn long_transcripts_lose_their_middle() {
        let entries = |count| vec![r#"{"text":"ä"}"#; count].join(",");
        for (count, left) in
            [(0, 0), (1, 1), (2 * ENTRIES, 2 * ENTRIES), (2 * ENTRIES + 1, 2 * ENTRIES + 1), (500, 2 * ENTRIES + 1)]
        {
            let result = format!(r#"{{"cases":[{{"transcript":[{}]}}]}}"#, entries(count));
            let short = shortened(parse(result.as_bytes()).expect("JSON").value, &|_| None);
            let case = &short.get("cases").and_then(Json::as_array).expect("cases")[0];
            assert_eq!(case.get("transcript").and_then(Json::as_array).map(<[Json]>::len), Some(left), "{count}");
        }
        let long = format!(r#"{{"cases":[{{"transcript":[{{"text":"{}"}}]}}]}}"#, "ä".repeat(CHARACTERS + 5));
        let short = shortened(parse(long.as_bytes()).expect("JSON").value, &|_| None).to_string();
        assert!(short.contains(&format!("\"{}…\"", "ä".repeat(CHARACTERS))));
    }

    #[test]
    fn what_a_peer_wrote_can_not_leave_the_data() {
        let result = r#"{"name":"x</script><script>alert(1)</script>","cases":[{"clauses":["BX-HS-1"]}]}"#;
        let result = parse(result.as_bytes()).expect("JSON").value;
        let clause =
            |id: &str| Some(Clause { text: format!("text of {id}"), level: "MUST".into(), origin: "added".into() });
        let page = html(&[result], &clause);
        assert!(!page.contains("<script>alert"));
        assert!(page.contains("text of BX-HS-1"));
        assert_eq!(page.matches(r#""origin":"added""#).count(), 2, "of the clause and of the case");
        assert!(!page.contains("/*DATA*/"), "the data stands in its place");
    }
}
