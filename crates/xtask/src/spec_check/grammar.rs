//! The grammar: each rule is given once and names rules that there are, and the rules that chapters show are those of the grammar.

use std::collections::{BTreeMap, BTreeSet};

use super::Spec;
use crate::tidy::source::{Finding, Source};

const GRAMMAR: &str = "protocol-spec/grammar/bayeux.abnf";
/// Rules of RFC 5234 that need no definition.
const CORE: [&str; 3] = ["ALPHA", "DIGIT", "SP"];

/// A rule, with single spaces and without its comments.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    line: usize,
    name: String,
    definition: String,
}

/// Refuses a grammar that does not hold together, and rules in chapters that it does not have, or has otherwise.
pub(super) fn check(sources: &[Source], spec: &Spec) -> Vec<Finding> {
    let Some(grammar) = sources.iter().find(|source| source.path == GRAMMAR) else {
        return vec![Finding { path: GRAMMAR.to_owned(), line: None, what: "is not there".to_owned() }];
    };
    let mut findings = Vec::new();
    let mut known = BTreeMap::new();
    let all = rules(&grammar.text);
    for rule in &all {
        if known.insert(rule.name.as_str(), rule.definition.as_str()).is_some() {
            findings.push(grammar.finding(rule.line, format!("`{}` is there twice", rule.name)));
        }
    }
    for rule in &all {
        for name in names(&rule.definition).iter().filter(|name| !known.contains_key(*name) && !CORE.contains(name)) {
            findings.push(grammar.finding(rule.line, format!("`{}` uses `{name}`, which is no rule", rule.name)));
        }
    }
    for (path, chapter) in &spec.chapters {
        let Some(source) = sources.iter().find(|source| source.path == *path) else { continue };
        for block in &chapter.grammars {
            for rule in rules(&block.text) {
                let what = match known.get(rule.name.as_str()) {
                    None => format!("`{}` is no rule of {GRAMMAR}", rule.name),
                    Some(definition) if *definition != rule.definition => {
                        format!("`{}` is `{}` here, and `{definition}` in {GRAMMAR}", rule.name, rule.definition)
                    }
                    Some(_) => continue,
                };
                findings.push(source.finding(block.line + rule.line, what));
            }
        }
    }
    findings
}

/// The rules of a text. A line that begins with a space goes on with the rule before.
fn rules(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = without_comment(line);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.split_once('=') {
            Some((name, definition)) if !line.starts_with(' ') => {
                rules.push(Rule { line: number + 1, name: words(name), definition: words(definition) });
            }
            _ if line.trim().is_empty() => {}
            _ => match rules.last_mut() {
                Some(rule) => rule.definition = words(&format!("{} {line}", rule.definition)),
                None => rules.push(Rule { line: number + 1, name: words(line), definition: String::new() }),
            },
        }
    }
    rules
}

/// A semicolon begins a comment, unless it is within quotes.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let end = line.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b';' && !quoted
    });
    &line[..end.unwrap_or(line.len())]
}

/// The rules that a definition uses: its words, without strings and numbers.
fn names(definition: &str) -> BTreeSet<&str> {
    let outside = definition.split('"').step_by(2);
    let words = outside.flat_map(|text| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '%')));
    let words = words.filter(|word| !word.starts_with('%'));
    // What stands before a name without a space says how often: `3DIGIT`, `1*64callback-char`.
    words.map(|word| word.trim_start_matches(|c: char| c.is_ascii_digit())).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_go_on_over_lines_and_leave_comments_out() {
        let text = "; about\na  = b /\n     \";\"  ; more\n\nb = 3DIGIT *( \"x y\" c-d ) %x20-7E %s\"T\"\n";
        let found = rules(text);
        assert_eq!(found.iter().map(|rule| rule.definition.as_str()).collect::<Vec<_>>()[0], "b / \";\"");
        assert_eq!((found[1].line, found[1].name.as_str()), (5, "b"));
        assert_eq!(names(&found[1].definition), BTreeSet::from(["DIGIT", "c-d"]));
    }
}
