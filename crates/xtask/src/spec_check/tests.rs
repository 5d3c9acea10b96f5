//! The check itself is checked: the workspace passes, and each of these edits, made in a copy of its files in memory, does not.

use std::sync::LazyLock;

use super::*;

/// A copy of the files of this workspace that the check reads.
#[derive(Clone)]
struct Copy(Vec<Source>);

const HANDSHAKE: &str = "protocol-spec/05-handshake.md";
const LOCK: &str = "protocol-spec/ids.lock";
const CASES: &str = "conformance-tests/cases/made-up.json";
const NEGOTIATE: &str = "crates/bayeux-engine/src/meta/handshake.rs";
const NAMES: &str = "protocol-spec/vectors/channel-name.json";
const MACHINE: &str = "protocol-spec/machines/server-session.json";

/// What has to do with clauses, with cases that are ours, so that cases are checked whatever else there is: one about BX-HS-8, and
/// one about all others.
static ORIGINAL: LazyLock<Copy> = LazyLock::new(|| {
    let mut sources = source::read_all(workspace::root()).expect("it can be read");
    let names_clauses = |source: &Source| source.text.contains("BX-") || source.text.contains("fn bx_");
    sources.retain(|source| source.path.starts_with("protocol-spec/") || names_clauses(source));
    sources.retain(|source| !source.path.starts_with(cases::FOLDER));
    // They are about the real cases.
    sources.retain(|source| !source.path.starts_with("conformance-tests/RESULTS"));
    let (spec, _) = read(&sources);
    let others = spec.clauses.values().filter(|clause| clause.is_active() && clause.no_case.is_none());
    let others =
        others.map(|clause| clause.id.to_string()).filter(|id| id != "BX-HS-8").collect::<Vec<_>>().join("\", \"");
    let case = format!(
        r#"[{{"id": "X-001", "level": "must", "clauses": ["BX-HS-8"], "title": "none in common"}},
            {{"id": "X-002", "level": "may", "clauses": ["{others}"], "title": "all others"}}]"#
    );
    sources.push(Source::new(CASES, &case));
    Copy(sources)
});

impl Copy {
    fn new() -> Self {
        ORIGINAL.clone()
    }

    fn source(&mut self, path: &str) -> &mut Source {
        self.0.iter_mut().find(|source| source.path == path).unwrap_or_else(|| panic!("there is no {path}"))
    }

    /// Replaces a text that must be there.
    fn edit(mut self, path: &str, old: &str, new: &str) -> Self {
        let source = self.source(path);
        assert!(source.text.contains(old), "{path} has no {old:?}");
        source.text = source.text.replace(old, new);
        self
    }

    fn append(mut self, path: &str, text: &str) -> Self {
        self.source(path).text.push_str(text);
        self
    }

    /// Takes out the block of a clause, up to the next heading.
    fn without(mut self, path: &str, id: &str) -> Self {
        let source = self.source(path);
        let begin = source.text.find(&format!("### {id} ")).expect("the clause is there");
        let length = source.text[begin + 1..].find("\n#").expect("another follows") + 2;
        source.text.replace_range(begin..begin + length, "");
        self
    }

    fn generated(mut self) -> Self {
        for generated in check(&self.0, None).generated {
            self.source(&generated.path).text = generated.text;
        }
        self
    }

    /// With clauses stamped as they are.
    fn stamped(mut self, ids: &[&str]) -> Self {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        self.source(LOCK).text = stamp(&self.0, &ids).expect("they can be stamped");
        self
    }

    fn findings(&self) -> Vec<String> {
        check(&self.0, None).findings.iter().map(ToString::to_string).collect()
    }

    /// The check fails, and says this.
    fn refused(&self, expected: &str) {
        let findings = self.findings();
        assert!(findings.iter().any(|finding| finding.contains(expected)), "not {expected:?}, but:\n{findings:#?}");
    }
}

#[test]
fn the_workspace_passes() {
    assert_eq!(Copy::new().findings(), Vec::<String>::new());
}

#[test]
fn a_clause_that_is_dropped_is_missed() {
    let copy = Copy::new().without(HANDSHAKE, "BX-HS-8").generated();
    copy.refused("BX-HS-8 is in no chapter any more; a clause that no longer holds stays, as `retired: why`");
    copy.refused("src/error_code.rs:");
    copy.refused("there is no clause BX-HS-8");
    copy.refused("X-001 there is no clause BX-HS-8");
}

#[test]
fn an_id_that_is_renamed_is_missed_and_its_new_one_asked_about() {
    let copy = Copy::new().edit(HANDSHAKE, "### BX-HS-8 ·", "### BX-HS-88 ·").generated();
    copy.refused("BX-HS-8 is in no chapter any more");
    copy.refused("BX-HS-88 is new; when it is as it is to be, enter it by `cargo xtask spec-check --stamp BX-HS-88`");
}

#[test]
fn an_id_that_is_given_twice_is_refused() {
    let copy = Copy::new().edit(HANDSHAKE, "### BX-HS-9 ·", "### BX-HS-8 ·");
    copy.refused("BX-HS-8 is at protocol-spec/05-handshake.md:");
}

#[test]
fn a_level_that_is_flipped_contradicts_the_text() {
    let clause = "No connection type in common\n\n**MUST**";
    let copy = Copy::new().edit(HANDSHAKE, clause, "No connection type in common\n\n**SHOULD**");
    copy.refused("BX-HS-8 is SHOULD, but its text says MUST");
}

#[test]
fn two_keywords_in_one_clause_are_refused() {
    let copy =
        Copy::new().edit(HANDSHAKE, "lists MUST answer it unsuccessfully.", "lists MUST answer it and MAY close.");
    copy.refused("BX-HS-8 has 2 keywords (MUST, MAY); one requirement has one");
}

#[test]
fn a_text_that_changed_has_to_be_read_again() {
    let copy = Copy::new().edit(HANDSHAKE, "lists MUST answer it unsuccessfully.", "lists MUST refuse it.").generated();
    copy.refused("the text of BX-HS-8 has changed; read its cases again, then say so by `cargo xtask spec-check --stamp BX-HS-8`");
    assert_eq!(copy.stamped(&["BX-HS-8"]).findings(), Vec::<String>::new());
}

#[test]
fn clauses_json_that_is_stale_is_refused() {
    let copy = Copy::new().edit(HANDSHAKE, "· No connection type in common", "· No type in common");
    copy.refused(
        "protocol-spec/clauses.json: is not what the chapters say; write it anew by `cargo xtask spec-check --write`",
    );
    assert_eq!(copy.generated().findings(), Vec::<String>::new());
}

#[test]
fn an_unknown_id_in_code_is_refused() {
    let copy = Copy::new().append(NEGOTIATE, "// BX-HS-99\n");
    copy.refused("there is no clause BX-HS-99");
    Copy::new().append("protocol-spec/rulings.md", "(BX-XYZ-*)\n").refused("there are no clauses BX-XYZ-*");
    Copy::new().append(NEGOTIATE, "fn bx_hs_99_x() {}\n").refused("there is no clause BX-HS-99");
}

#[test]
fn a_clause_that_no_code_cites_is_refused() {
    let mut copy = Copy::new();
    for source in copy.0.iter_mut().filter(|source| source.path.ends_with(".rs") && !source.path.contains("xtask")) {
        source.text = source.text.replace("BX-HS-8", "BX-HS-7");
    }
    copy.refused("BX-HS-8 is cited nowhere in the code; cite it where it is kept, or call it planned");
}

#[test]
fn a_case_may_not_be_stricter_than_its_clause() {
    let copy = Copy::new().edit(CASES, "BX-HS-8", "BX-HS-12");
    copy.refused("X-001 is MUST, stricter than BX-HS-12, which is MAY");
    let copy = Copy::new().edit(CASES, "\"must\"", "\"hard\"");
    copy.refused("X-001: `hard` is no level; `must`, `should` or `may`");
    let copy = Copy::new().edit(CASES, "[\"BX-HS-8\"]", "[]");
    copy.refused("X-001 is about no clause");
    let copy = Copy::new().edit(CASES, "\"title\"", "\"name\"");
    copy.refused("is no array of cases with id, level, clauses and title");
}

#[test]
fn a_clause_has_a_case_or_says_why_there_can_be_none() {
    let copy = Copy::new().edit(CASES, "\"BX-HS-7\", ", "");
    let missing = "BX-HS-7 has no case; write one, or let it say why there can be none: `no case: why`";
    copy.refused(missing);
    // Writing what is generated does not help.
    copy.clone().generated().refused(missing);
    let offers = "**MUST** · server · published\n\nA server that answers a handshake successfully MUST offer";
    let excused = offers.replace("published", "published · no case: for a test");
    assert_eq!(copy.edit(HANDSHAKE, offers, &excused).generated().findings(), Vec::<String>::new());
    let copy = Copy::new().edit(HANDSHAKE, offers, &excused).generated();
    copy.refused("BX-HS-7 has a case, and says that there can be none: take `no case` out");
}

#[test]
fn a_binding_case_fixes_no_order() {
    let steps = |level: &str, steps: &str| {
        let old = "\"level\": \"must\", \"clauses\": [\"BX-HS-8\"]";
        let new = format!(r#""level": "{level}", "clauses": ["BX-HS-8"], "steps": [{steps}]"#);
        Copy::new().edit(CASES, old, &new)
    };
    let finding = "X-001 is binding and fixes the order of 2 messages; no binding clause does";
    let events = r#"{"received": "a", "events": [{"channel": "/x"}, {"channel": "/y"}]}"#;
    let response = r#"{"http": {}, "expect": {"$response": {"messages": [{"channel": "/x"}, {"id": "1"}]}}}"#;
    steps("must", events).refused(finding);
    steps("must", &events.replace("/y", "/x")).refused(finding);
    steps("must", response).refused(finding);
    for fine in [
        &events.replace("\"events\"", "\"any_order\": true, \"events\""),
        &response.replace("[{\"channel\": \"/x\"}, {\"id\": \"1\"}]", "{\"$has\": {\"channel\": \"/x\"}}"),
        r#"{"send": "b", "messages": [{"channel": "/x", "data": 1}, {"channel": "/y", "data": 2}]}"#,
    ] {
        assert_eq!(steps("must", fine).findings(), Vec::<String>::new(), "{fine}");
    }
    assert_eq!(steps("should", events).findings(), Vec::<String>::new());
}

#[test]
fn cases_that_the_suite_lists_count_too() {
    let copy = Copy::new().edit(CASES, "\"BX-HS-7\", ", "");
    let listed = r#"[{"id": "X-003", "level": "must", "clauses": ["BX-HS-7"], "title": "x"}]"#;
    assert_eq!(check(&copy.0, Some(listed)).findings, []);
}

#[test]
fn results_of_cases_that_there_are_not_are_refused_and_older_ones_are_noted() {
    let mut copy = Copy::new();
    copy.0.push(Source::new("conformance-tests/RESULTS.md", "| case | level |\n| X-001 | must |\n| X-009 | must |\n"));
    copy.0.push(Source::new("conformance-tests/RESULTS.html", r#"{"case":"X-001"},{"case":"X-008"}"#));
    let report = check(&copy.0, Some("[]"));
    let found: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "conformance-tests/RESULTS.html: has results of cases that there are not: X-008; `cargo xtask matrix`",
            "conformance-tests/RESULTS.md: has results of cases that there are not: X-009; `cargo xtask matrix`",
        ]
    );
    let note = "conformance-tests/RESULTS.html is older than these cases, `cargo xtask matrix` makes it anew: X-002";
    assert_eq!(report.notes, [note]);
}

#[test]
fn a_known_finding_stands_under_the_origin_and_the_level_of_its_case() {
    let expected = |heading: &str| {
        let mut copy = Copy::new();
        let text =
            format!("# A server.\n\n{heading}\nX-001[websocket]  fail  it does\nX-404 fail no case\nX-* fail many\n");
        copy.0.push(Source::new("conformance-tests/targets/a.expected", &text));
        copy
    };
    assert_eq!(expected("# Clauses of the published text that bind.").findings(), Vec::<String>::new());
    let line = "conformance-tests/targets/a.expected:4: X-001";
    expected("# Others.").refused(&format!("{line} stands under no heading that says from where its clauses are"));
    let heading = "# Clauses that protocol-spec added";
    expected(heading).refused(&format!("{line} is about BX-HS-8, which is published, and stands under `{heading}`"));
    let heading = "# Clauses of the published text that recommend";
    expected(heading).refused(&format!("{line} is MUST, and stands under `{heading}`"));
}

#[test]
fn without_cases_the_check_says_that_it_left_them_out() {
    let mut copy = Copy::new();
    copy.0.retain(|source| source.path != CASES);
    let report = check(&copy.0, None);
    assert_eq!(report.findings, []);
    assert_eq!(report.notes, ["conformance-tests/cases is not there yet: that each clause has a case is not checked"]);
}

#[test]
fn a_block_of_json_that_is_broken_or_against_its_schema_is_refused() {
    let copy =
        Copy::new().edit(HANDSHAKE, r#""version": "1.0", "minimumVersion""#, r#""version": 1.0., "minimumVersion""#);
    copy.refused("protocol-spec/05-handshake.md:5: a block of JSON that is none: ");
    let copy = Copy::new().edit(
        HANDSHAKE,
        r#""channel": "/meta/handshake", "id": "1", "version""#,
        r#""channel": "/meta/handshake", "id": "1", "vision""#,
    );
    copy.refused("the example does not satisfy schema/request.json");
    let copy = Copy::new().edit(HANDSHAKE, "```json request", "```json question");
    copy.refused("there is no schema/question.json");
    let copy = Copy::new().edit("protocol-spec/schema/advice.json", r#""type": "object""#, r#""type": "thing""#);
    copy.refused("protocol-spec/schema/advice.json");
}

#[test]
fn a_rule_that_is_not_the_grammars_is_refused() {
    const CHANNELS: &str = "protocol-spec/02-channels.md";
    const GRAMMAR: &str = "protocol-spec/grammar/bayeux.abnf";
    let copy = Copy::new().edit(CHANNELS, "channel-name = 1*( \"/\" segment )", "channel-name = *( \"/\" segment )");
    copy.refused(
        "`channel-name` is `*( \"/\" segment )` here, and `1*( \"/\" segment )` in protocol-spec/grammar/bayeux.abnf",
    );
    let copy = Copy::new().edit(CHANNELS, "channel-name = 1*", "channel = 1*");
    copy.refused("`channel` is no rule of protocol-spec/grammar/bayeux.abnf");
    let copy = Copy::new().edit(GRAMMAR, "segment           = 1*token-char", "segment           = 1*token");
    copy.refused("`segment` uses `token`, which is no rule");
    let copy = Copy::new().append(GRAMMAR, "segment = \"x\"\n");
    copy.refused("`segment` is there twice");
}

#[test]
fn a_vector_that_a_schema_judges_otherwise_is_refused() {
    const MESSAGES: &str = "protocol-spec/vectors/message.json";
    let copy = Copy::new().edit(MESSAGES, "\"valid\": true", "\"valid\": false");
    copy.refused("satisfies schema/request.json#/$defs/sender, and is not to");
    let copy = Copy::new().edit(MESSAGES, "\"valid\": false", "\"valid\": true");
    copy.refused("does not satisfy schema/response.json#/$defs/sender: ");
    let copy = Copy::new().edit(MESSAGES, "response.json#/$defs/sender", "response.json#/$defs/nobody");
    copy.refused("is about schema/response.json#/$defs/nobody, which is not there");
}

#[test]
fn a_retired_id_is_never_given_again() {
    let server = "**MUST** · server · published\n\nA server that offers none";
    let retired = "**MUST** · server · published · retired: for a test\n\nA server that offers none";
    let copy = Copy::new().edit(HANDSHAKE, server, retired);
    copy.refused("BX-HS-8 is retired now; say so in ids.lock by `cargo xtask spec-check --stamp BX-HS-8`");
    let copy = copy.stamped(&["BX-HS-8"]).generated();
    copy.refused("crates/bayeux-engine/src/meta/handshake.rs");
    copy.refused("BX-HS-8 is retired");
    copy.refused("X-001 BX-HS-8 is retired");
    let copy = copy.edit(HANDSHAKE, retired, server);
    copy.refused("BX-HS-8 was retired, and an id is given once: take a new one");
    let error = stamp(&copy.0, &["BX-HS-8".to_owned()]).expect_err("it is not given again");
    assert_eq!(error.to_string(), "BX-HS-8 was retired, and an id is given once: take a new one");
}

#[test]
fn a_vector_about_an_unknown_clause_is_refused() {
    let copy = Copy::new().edit(NAMES, "\"BX-CH-12\"", "\"BX-CH-120\"");
    copy.refused("there is no clause BX-CH-120");
    let copy = Copy::new().edit(NAMES, "\"kind\": \"channel-name\"", "\"kind\": \"name\"");
    copy.refused("has the kind `name`, which is not its name");
    let copy = Copy::new().edit(NAMES, "\"id\"", "\"name\"");
    copy.refused("protocol-spec/vectors/channel-name.json");
}

#[test]
fn a_machine_that_does_not_hold_together_or_has_another_picture_is_refused() {
    let copy = Copy::new().edit(MACHINE, "\"from\": \"held\"", "\"from\": \"heard\"");
    copy.refused("`heard` is no state of it");
    let copy = Copy::new().edit(MACHINE, "\"title\": \"", "\"title\": \"Another ");
    copy.refused("protocol-spec/machines/server-session.md: is not what the chapters say");
}

#[test]
fn only_what_is_there_can_be_stamped() {
    let error = stamp(&Copy::new().0, &["BX-HS-99".to_owned()]).expect_err("there is none");
    assert_eq!(error.to_string(), "there is no clause BX-HS-99");
}
