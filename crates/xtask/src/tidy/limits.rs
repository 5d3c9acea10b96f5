//! docs/limits.md is what the binary prints.

use super::source::{Finding, Source};

/// Refuses a page that says something else.
pub(super) fn check(page: &Source, printed: &str) -> Option<Finding> {
    let (mut written, mut right) = (page.text.lines(), printed.lines());
    for number in 1.. {
        match (written.next(), right.next()) {
            (None, None) => break,
            (written, right) if written == right => {}
            _ => return Some(page.finding(number, "is not what the code says; write it anew by `cargo xtask limits`")),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_out_of_date_is_refused() {
        let page = Source::new("docs/limits.md", "# Limits\n\n| a | 1 |\n");
        assert_eq!(check(&page, "# Limits\n\n| a | 1 |\n"), None);
        for other in ["# Limits\n\n| a | 2 |\n", "# Limits\n\n", "# Limits\n\n| a | 2 |\n| b | 2 |\n"] {
            let finding = check(&page, other).map(|finding| finding.to_string()).unwrap_or_default();
            assert!(finding.starts_with("docs/limits.md:3: is not what the code says"), "{finding}");
        }
    }
}
