//! What the program under test reports: what became of commands, and which events its handlers saw. A report that was
//! sent twice, since its first publish went astray, counts once.

use crate::json::Json;
use crate::pattern::{Variables, fits};
use std::collections::BTreeSet;

/// The reports since they were last asked for, in the program's order.
#[derive(Default)]
pub(super) struct Reports {
    seen: BTreeSet<u64>,
    list: Vec<(u64, Json)>,
}

impl Reports {
    /// Takes what was published: a report, or a list of them.
    pub(super) fn take(&mut self, data: &Json) {
        for report in data.as_array().unwrap_or_else(|| std::slice::from_ref(data)) {
            let number = report.get("seq").and_then(Json::as_f64).unwrap_or(0.0) as u64;
            if number == 0 || self.seen.insert(number) {
                self.list.push((number, report.clone()));
            }
        }
        self.list.sort_by_key(|(number, _)| *number);
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the program has said that this command is done.
    pub(super) fn has_done(&self, command: u64) -> bool {
        self.list.iter().any(|(_, report)| report.get("n") == Some(&command.into()))
    }

    /// Those so far, without the one of this command and what came after it.
    pub(super) fn until(&mut self, command: u64) -> Vec<Json> {
        let at = self.list.iter().position(|(_, report)| report.get("n") == Some(&command.into()));
        let end = at.unwrap_or(self.list.len());
        let before: Vec<_> = self.list.drain(..end).map(|(_, report)| report).collect();
        if at.is_some() {
            self.list.remove(0);
        }
        before
    }
}

/// Whether these reports came: events in their order, and what became of commands, which may come between them.
pub(super) fn compare(wanted: &[Json], came: &[Json], variables: &mut Variables) -> Result<(), String> {
    let shown = || came.iter().map(Json::to_string).collect::<Vec<_>>().join(", ");
    let is_event = |report: &&Json| report.get("got").is_some();
    let (events, commands): (Vec<_>, Vec<_>) = came.iter().partition(is_event);
    let (wanted_events, wanted_commands): (Vec<_>, Vec<_>) = wanted.iter().partition(is_event);
    for pattern in &wanted_commands {
        if !commands.iter().any(|report| fits(pattern, Some(report), variables).is_ok()) {
            return Err(format!("the program should have reported {pattern}; it reported [{}]", shown()));
        }
    }
    for (index, pattern) in wanted_events.iter().enumerate() {
        let Some(found) = events.get(index) else {
            return Err(format!(
                "its handlers should have got event {} as {pattern}; it reported [{}]",
                index + 1,
                shown()
            ));
        };
        if let Err(mismatch) = fits(pattern, Some(found), variables) {
            return Err(format!("event {} of its handlers: {mismatch}; it reported [{}]", index + 1, shown()));
        }
    }
    match (events.get(wanted_events.len()), commands.len() > wanted_commands.len()) {
        (Some(more), _) => Err(format!("its handlers should not have got {more}; it reported [{}]", shown())),
        (None, true) => Err(format!("it reported more than it was told to do: [{}]", shown())),
        (None, false) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Json> {
        crate::json::parse(text.as_bytes()).expect(text).value.as_array().expect("a list").to_vec()
    }

    #[test]
    fn lost_doubled_and_swapped_events_and_untrue_results_are_found() {
        let wanted = r#"[{"got":["/x",1]},{"n":1,"ok":true},{"got":["/x",2]}]"#;
        for (came, fine) in [
            (r#"[{"got":["/x",1]},{"got":["/x",2]},{"n":1,"ok":true}]"#, true),
            (r#"[{"got":["/x",2]},{"got":["/x",1]},{"n":1,"ok":true}]"#, false),
            (r#"[{"got":["/x",1]},{"n":1,"ok":true}]"#, false),
            (r#"[{"got":["/x",1]},{"got":["/x",2]},{"got":["/x",2]},{"n":1,"ok":true}]"#, false),
            (r#"[{"got":["/x",1]},{"got":["/x",2]},{"n":1,"ok":false}]"#, false),
            (r#"[{"got":["/x",1]},{"got":["/x",2]}]"#, false),
            (r#"[{"got":["/x",1]},{"got":["/x",2]},{"n":1,"ok":true},{"n":1,"ok":true}]"#, false),
        ] {
            assert_eq!(compare(&list(wanted), &list(came), &mut Variables::new()).is_ok(), fine, "{came}");
        }
    }

    #[test]
    fn a_report_counts_once_and_in_the_order_of_the_program() {
        let mut reports = Reports::default();
        for report in list(r#"[[{"seq":2,"n":2}],{"seq":1,"n":1},[{"seq":2,"n":2},{"seq":3,"n":9},{"seq":4,"n":4}]]"#) {
            reports.take(&report);
        }
        assert_eq!(reports.until(9), list(r#"[{"seq":1,"n":1},{"seq":2,"n":2}]"#));
        assert_eq!(reports.until(9), list(r#"[{"seq":4,"n":4}]"#));
    }
}
