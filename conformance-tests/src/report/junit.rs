//! JUnit's XML, for CI systems: a failure is a `<failure>`, what the suite could not do an `<error>`, what the server does not have
//! is `<skipped>`.

use crate::run::Outcome;
use crate::verdict::Verdict;
use std::fmt::Write;

/// The outcomes of a run against the implementation of this name.
pub fn junit(name: &str, outcomes: &[Outcome]) -> String {
    let count =
        |verdicts: &[Verdict]| outcomes.iter().filter(|outcome| verdicts.contains(&outcome.finding.verdict)).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.took.as_secs_f64()).sum();
    let _ = writeln!(
        xml,
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{seconds:.3}\">",
        escape(name),
        outcomes.len(),
        count(&[Verdict::Fail]),
        count(&[Verdict::Blocked, Verdict::Inconclusive, Verdict::Error]),
        count(&[Verdict::Unimplemented]),
    );
    for outcome in outcomes {
        let _ = writeln!(
            xml,
            "  <testcase classname=\"{}\" name=\"{} {}\" time=\"{:.3}\">{}</testcase>",
            escape(outcome.instance.case.level.to_string().as_str()),
            escape(&outcome.instance.id()),
            escape(&outcome.instance.case.title),
            outcome.took.as_secs_f64(),
            inner(outcome),
        );
    }
    xml.push_str("</testsuite>\n");
    xml
}

fn inner(outcome: &Outcome) -> String {
    let message = escape(&outcome.finding.reason);
    let verdict = outcome.finding.verdict;
    match verdict {
        Verdict::Pass => String::new(),
        Verdict::Nonstrict => format!("<system-out>nonstrict: {message}</system-out>"),
        Verdict::Fail => format!("<failure message=\"{message}\"/>"),
        Verdict::Unimplemented => format!("<skipped message=\"{message}\"/>"),
        Verdict::Blocked | Verdict::Inconclusive | Verdict::Error => {
            format!("<error type=\"{verdict}\" message=\"{message}\"/>")
        }
    }
}

/// Text that may stand in XML: what XML can't hold at all is left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(letter),
        }
    }
    out
}
