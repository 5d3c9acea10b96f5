//! A block of code in a page that names a file is what stands in that file, so that readers copy what the tests run.
//!
//! A fence names it behind its language, where no reader of the page sees it: ```` ```nginx docs/proxies/nginx.conf ````.

use super::source::{Finding, Source};

/// Each file in here has to be quoted, in the page of the same name.
const QUOTED: &str = "docs/proxies/";
const QUOTING: &str = "docs/proxies.md";

/// Refuses a block that differs from its file, and a file that no block shows.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut shown = Vec::new();
    for page in sources.iter().filter(|source| source.extension() == Some("md")) {
        for quote in quotes(page) {
            findings.extend(differs(page, &quote, sources));
            if page.path == QUOTING {
                shown.push(quote.path);
            }
        }
    }
    let unseen =
        sources.iter().filter(|source| source.path.starts_with(QUOTED) && !shown.contains(&source.path.as_str()));
    findings.extend(unseen.map(|source| source.finding(None, format!("is not shown in {QUOTING}"))));
    findings
}

/// A block of code, and the file that it is said to be.
struct Quote<'p> {
    /// Where its first line is.
    line: usize,
    path: &'p str,
    text: Vec<&'p str>,
}

fn quotes(page: &Source) -> Vec<Quote<'_>> {
    let mut quotes = Vec::new();
    let mut lines = page.lines();
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        if let Some(path) = info.split_whitespace().nth(1).filter(|path| path.contains('/')) {
            quotes.push(Quote { line: number + 1, path, text });
        }
    }
    quotes
}

fn differs(page: &Source, quote: &Quote<'_>, sources: &[Source]) -> Option<Finding> {
    let Some(file) = sources.iter().find(|source| source.path == quote.path) else {
        return Some(page.finding(quote.line - 1, format!("there is no {}", quote.path)));
    };
    let file: Vec<_> = file.text.lines().collect();
    let longest = file.len().max(quote.text.len());
    let other = (0..longest).find(|index| file.get(*index) != quote.text.get(*index))?;
    Some(page.finding(quote.line + other, format!("is not line {} of {}; copy the file", other + 1, quote.path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str, files: &[(&str, &str)]) -> Vec<String> {
        let mut sources = vec![Source::new(QUOTING, page)];
        sources.extend(files.iter().map(|(path, text)| Source::new(path, text)));
        check(&sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_block_is_what_stands_in_its_file() {
        let page = "# Page\n\n```nginx docs/proxies/a.conf\none\n  two\n```\n\n```json request\nanything\n```\n";
        let file = |text| found(page, &[("docs/proxies/a.conf", text)]);
        assert!(file("one\n  two\n").is_empty());
        for (text, place) in [
            ("one\ntwo\n", "5: is not line 2"),
            ("one\n", "5: is not line 2"),
            ("one\n  two\nthree\n", "6: is not line 3"),
            ("", "4: is not line 1"),
        ] {
            assert_eq!(file(text), [format!("docs/proxies.md:{place} of docs/proxies/a.conf; copy the file")]);
        }
        assert_eq!(found(page, &[]), ["docs/proxies.md:3: there is no docs/proxies/a.conf"]);
    }

    #[test]
    fn a_file_that_is_to_be_shown_is() {
        let files = [("docs/proxies/a.conf", "one\n"), ("docs/proxies/b.cfg", "two\n")];
        let page = "```a docs/proxies/a.conf\none\n```\n";
        assert_eq!(found(page, &files), ["docs/proxies/b.cfg: is not shown in docs/proxies.md"]);
        assert!(found(&format!("{page}```b docs/proxies/b.cfg\ntwo\n```\n"), &files).is_empty());
    }
}
