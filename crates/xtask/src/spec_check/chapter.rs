//! Chapters: Markdown in which each clause is a block of one form, so that people and this program read the same.
//!
//! ```text
//! ### BX-HS-8 · No connection type in common
//!
//! **MUST** · server · published
//!
//! A server … MUST … .                 one paragraph, one keyword
//!
//! Whatever is to be said besides.     no keyword
//! ```

use std::sync::LazyLock;

use regex::Regex;

use super::clause::{Clause, ClauseId, Level, Origin, Role, Status};
use crate::tidy::source::{Finding, Source};

static HEADING: LazyLock<Regex> = LazyLock::new(|| regex(r"^### (BX-\S+) · (\S.*)$"));
static KEYWORD: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(?:MUST|SHOULD|MAY|SHALL|REQUIRED|RECOMMENDED|OPTIONAL)\b"));

/// What is in a chapter.
#[derive(Debug, Default)]
pub(super) struct Chapter {
    /// From its first line.
    pub(super) title: String,
    pub(super) clauses: Vec<Clause>,
    pub(super) examples: Vec<Example>,
    pub(super) grammars: Vec<Grammar>,
    pub(super) findings: Vec<Finding>,
}

/// A block of JSON: ```` ```json request ````.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) line: usize,
    /// The schema that it satisfies.
    pub(super) schema: String,
    pub(super) text: String,
}

/// A block of rules: ```` ```abnf ````.
#[derive(Debug)]
pub(super) struct Grammar {
    /// The line above its first one.
    pub(super) line: usize,
    pub(super) text: String,
}

/// Whether a file is a chapter: `protocol-spec/05-handshake.md`.
pub(super) fn is_chapter(source: &Source) -> bool {
    source.path.strip_prefix("protocol-spec/").is_some_and(|name| {
        !name.contains('/') && name.ends_with(".md") && name.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Reads a chapter.
pub(super) fn read(source: &Source) -> Chapter {
    let mut chapter = Chapter::default();
    let lines: Vec<(usize, &str)> = source.lines().collect();
    match lines.first().and_then(|(_, line)| line.strip_prefix("# ")) {
        Some(title) => title.clone_into(&mut chapter.title),
        None => chapter.findings.push(source.finding(1, "does not begin with a title, `# 5. Handshake`")),
    }
    let mut at = 0;
    while let Some((number, line)) = lines.get(at).copied() {
        if let Some(info) = line.strip_prefix("```") {
            at += chapter.fence(source, info, &lines[at..]);
        } else if line.starts_with("### ") {
            at += chapter.clause(source, &lines[at..]);
        } else {
            chapter.prose(source, number, line);
            at += 1;
        }
    }
    chapter
}

impl Chapter {
    /// A block of code; returns how many lines it has.
    fn fence(&mut self, source: &Source, info: &str, lines: &[(usize, &str)]) -> usize {
        let begin = lines[0].0;
        let Some(length) = lines.iter().skip(1).position(|(_, line)| *line == "```") else {
            self.findings.push(source.finding(begin, "a block of code that has no end"));
            return lines.len();
        };
        let text = || lines[1..=length].iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        match info.trim().split_once(' ') {
            Some(("json", schema)) => {
                self.examples.push(Example { line: begin, schema: schema.trim().to_owned(), text: text() });
            }
            _ if info.trim() == "abnf" => self.grammars.push(Grammar { line: begin, text: text() }),
            _ if info.trim() == "json" => self
                .findings
                .push(source.finding(begin, "a block of JSON without its schema; write ```json request, or another")),
            _ => {}
        }
        length + 2
    }

    /// A clause: heading, attributes, requirement. Returns how many lines these are.
    fn clause(&mut self, source: &Source, lines: &[(usize, &str)]) -> usize {
        let (number, heading) = lines[0];
        let Some((id, title)) =
            HEADING.captures(heading).map(|found| found.extract::<2>().1).map(|[id, title]| (id, title))
        else {
            self.findings.push(source.finding(number, "a heading of this rank is `### BX-HS-8 · What it says`"));
            return 1;
        };
        let Some(id) = ClauseId::parse(id) else {
            self.findings.push(source.finding(number, format!("`{id}` has not the form of a clause, BX-HS-8")));
            return 1;
        };
        let line = |at: usize| lines.get(at).map_or("", |(_, line)| *line);
        let attributes = match attributes(line(2)) {
            Ok(attributes) if line(1).is_empty() && line(3).is_empty() => attributes,
            Ok(_) => {
                self.findings.push(source.finding(number, format!("{id}: its attributes stand between empty lines")));
                return 1;
            }
            Err(why) => {
                self.findings.push(source.finding(number + 2, format!("{id}: {why}")));
                return 1;
            }
        };
        let text: Vec<&str> = lines.iter().skip(4).map(|(_, line)| *line).take_while(|line| !line.is_empty()).collect();
        let length = 4 + text.len();
        let text = text.join(" ");
        self.findings.extend(keywords(source, number + 4, &id, attributes.level, &text));
        let Attributes { level, role, origin, hardened, status, no_case } = attributes;
        let (title, file) = (title.to_owned(), source.path.clone());
        self.clauses.push(Clause {
            id,
            title,
            level,
            role,
            origin,
            hardened,
            status,
            no_case,
            text,
            file,
            line: number,
        });
        length
    }

    fn prose(&mut self, source: &Source, number: usize, line: &str) {
        if let Some(keyword) = KEYWORD.find(line) {
            let what =
                format!("`{}` outside of a requirement; say it in other words, or make it a clause", keyword.as_str());
            self.findings.push(source.finding(number, what));
        }
    }
}

/// One keyword, and the right one.
fn keywords(source: &Source, line: usize, id: &ClauseId, level: Level, text: &str) -> Option<Finding> {
    let found: Vec<&str> = KEYWORD.find_iter(text).map(|found| found.as_str()).collect();
    match found.as_slice() {
        [keyword] if *keyword == level.as_str() => None,
        [keyword] => Some(source.finding(line, format!("{id} is {}, but its text says {keyword}", level.as_str()))),
        [] => Some(source.finding(line, format!("{id} has no {} in its text", level.as_str()))),
        more => {
            Some(source.finding(
                line,
                format!("{id} has {} keywords ({}); one requirement has one", more.len(), more.join(", ")),
            ))
        }
    }
}

struct Attributes {
    level: Level,
    role: Role,
    origin: Origin,
    hardened: bool,
    status: Status,
    no_case: Option<String>,
}

/// Reads `**MUST** · server · added · hardened · planned`.
fn attributes(line: &str) -> Result<Attributes, String> {
    let mut parts = line.split(" · ");
    let mut next = || parts.next().unwrap_or_default();
    let level = next();
    let bare = level.strip_prefix("**").and_then(|rest| rest.strip_suffix("**")).unwrap_or_default();
    let level = Level::parse(bare)
        .filter(|level| level.as_str() == bare)
        .ok_or_else(|| format!("`{level}` is no level; `**MUST**`, `**SHOULD**` or `**MAY**`"))?;
    let role = match next() {
        "server" => Role::Server,
        "client" => Role::Client,
        "both" => Role::Both,
        other => return Err(format!("`{other}` is no role; `server`, `client` or `both`")),
    };
    let origin = match next() {
        "published" => Origin::Published,
        "added" => Origin::Added,
        other => return Err(format!("`{other}` is no origin; `published` or `added`")),
    };
    let mut attributes = Attributes { level, role, origin, hardened: false, status: Status::Active, no_case: None };
    for part in parts {
        match part.split_once(": ").map_or((part, ""), |(name, reason)| (name, reason.trim())) {
            ("hardened", "") if !attributes.hardened => attributes.hardened = true,
            ("no case", "") => return Err(format!("`{part}` needs its reason: `{part}: why`")),
            ("no case", reason) if attributes.no_case.is_none() => attributes.no_case = Some(reason.to_owned()),
            _ if attributes.status != Status::Active => return Err(format!("`{part}` is one status too many")),
            ("planned", "") => attributes.status = Status::Planned,
            ("untestable" | "retired", "") => return Err(format!("`{part}` needs its reason: `{part}: why`")),
            ("untestable", reason) => attributes.status = Status::Untestable(reason.to_owned()),
            ("retired", reason) => attributes.status = Status::Retired(reason.to_owned()),
            _ => return Err(format!("`{part}` is no attribute")),
        }
    }
    if attributes.hardened && origin == Origin::Published {
        return Err("what is published is not `hardened`".to_owned());
    }
    Ok(attributes)
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# 5. Handshake\n\n### BX-HS-8 · None in common\n\n**MUST** · server · added · hardened · planned\n\n\
        A server MUST\nrefuse it.\n\nMore of it.\n\n```json request\n[]\n```\n";

    fn chapter(text: &str) -> Chapter {
        read(&Source::new("protocol-spec/05-handshake.md", text))
    }

    fn first(text: &str) -> String {
        chapter(text).findings.first().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn a_clause_is_read() {
        let chapter = chapter(GOOD);
        assert_eq!(chapter.findings, []);
        assert_eq!(chapter.title, "5. Handshake");
        let clause = &chapter.clauses[0];
        assert_eq!((clause.id.to_string().as_str(), clause.title.as_str()), ("BX-HS-8", "None in common"));
        assert_eq!(clause.text, "A server MUST refuse it.");
        assert_eq!((clause.level, clause.role, clause.origin), (Level::Must, Role::Server, Origin::Added));
        assert!(clause.hardened && clause.status == Status::Planned && clause.line == 3);
        assert_eq!(clause.hash().len(), 16);
        assert_eq!((chapter.examples[0].schema.as_str(), chapter.examples[0].text.as_str()), ("request", "[]"));
    }

    #[test]
    fn what_has_not_the_form_is_named() {
        for (old, new, finding) in [
            ("# 5.", "5.", "1: does not begin with a title, `# 5. Handshake`"),
            ("BX-HS-8", "BX-HS-08", "3: `BX-HS-08` has not the form of a clause, BX-HS-8"),
            ("BX-HS-8 · ", "", "3: a heading of this rank is `### BX-HS-8 · What it says`"),
            ("**MUST**", "**Must**", "5: BX-HS-8: `**Must**` is no level; `**MUST**`, `**SHOULD**` or `**MAY**`"),
            ("· server", "· peer", "5: BX-HS-8: `peer` is no role; `server`, `client` or `both`"),
            ("· added", "· ours", "5: BX-HS-8: `ours` is no origin; `published` or `added`"),
            ("· added", "· published", "5: BX-HS-8: what is published is not `hardened`"),
            ("· planned", "· soon", "5: BX-HS-8: `soon` is no attribute"),
            ("· planned", "· retired", "5: BX-HS-8: `retired` needs its reason: `retired: why`"),
            ("· planned", "· no case", "5: BX-HS-8: `no case` needs its reason: `no case: why`"),
            ("· planned", "· planned · retired: x", "5: BX-HS-8: `retired: x` is one status too many"),
            ("A server MUST", "A server SHOULD", "7: BX-HS-8 is MUST, but its text says SHOULD"),
            ("A server MUST", "A server must", "7: BX-HS-8 has no MUST in its text"),
            ("refuse it", "refuse it and MAY close", "7: BX-HS-8 has 2 keywords (MUST, MAY); one requirement has one"),
            (
                "More of",
                "More MAY be",
                "10: `MAY` outside of a requirement; say it in other words, or make it a clause",
            ),
            ("```json request", "```json", "12: a block of JSON without its schema; write ```json request, or another"),
            ("```\n", "", "12: a block of code that has no end"),
        ] {
            assert!(GOOD.contains(old), "{old}");
            let finding = format!("protocol-spec/05-handshake.md:{finding}");
            assert_eq!(first(&GOOD.replacen(old, new, 1)), finding, "{old} -> {new}");
        }
    }
}
