//! Takes the paths of this machine out of what programs said: results are read elsewhere, where they mean nothing.

use std::{path::Path, sync::LazyLock};

use regex::{NoExpand, Regex};

/// A path in somebody's home or among temporary files, as programs print it in their errors.
static FOREIGN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"/(?:home|root|tmp)/(?:[^\s"'\\:()<>/]+/)*([^\s"'\\:()<>/]*)"#).expect("the pattern is well formed")
});

/// A text in which paths within the checkout are relative, those within the home directory begin with `~`, and of others in such
/// places the last part is left.
pub(super) fn without(text: &str, checkout: &Path, home: Option<&Path>) -> String {
    let mut out = text.to_owned();
    let known = [(Some(checkout), ""), (home, "~/")];
    for (path, instead) in known.into_iter().filter_map(|(path, instead)| Some((path?.to_str()?, instead))) {
        // `/` is everybody's.
        if path.len() > 1 {
            let within = Regex::new(&format!(r"{}/", regex::escape(path))).expect("it is escaped");
            out = within.replace_all(&out, NoExpand(instead)).into_owned();
            let itself = Regex::new(&format!(r"{}\b", regex::escape(path))).expect("it is escaped");
            out = itself.replace_all(&out, NoExpand(if instead.is_empty() { "." } else { "~" })).into_owned();
        }
    }
    FOREIGN.replace_all(&out, "…/$1").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_machine_are_taken_out_and_nothing_else() {
        let (checkout, home) = (Path::new("/tmp/src/checkout"), Path::new("/home/me"));
        for (text, wanted) in [
            ("'/tmp/src/checkout/conformance-tests/clients/faye' {url}", "'conformance-tests/clients/faye' {url}"),
            ("in /tmp/src/checkout: no such file", "in .: no such file"),
            (r"at file:///home/me/.npm/x.js:3:1\n", r"at file://~/.npm/x.js:3:1\n"),
            ("HOME=/home/me", "HOME=~"),
            (r#"{"text":"cannot read /tmp/a-b/c.json"}"#, r#"{"text":"cannot read …/c.json"}"#),
            ("(/root/.cache/v8/x.js:1:2)", "(…/x.js:1:2)"),
            ("/conformance/x /temperature /bayeux/handshake", "/conformance/x /temperature /bayeux/handshake"),
        ] {
            assert_eq!(without(text, checkout, Some(home)), wanted);
        }
        assert_eq!(without("/etc/x", Path::new("/"), None), "/etc/x");
    }
}
