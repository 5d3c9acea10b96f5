//! The pure crates stay pure: no clock, thread, task or socket outside their tests, however it is imported.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, ImplItem, Item, Macro, Meta, Path, UseTree, spanned::Spanned, visit::Visit};

use super::source::{Finding, Source};

/// Crates, and parts of crates.
const PURE_CRATES: &[&str] = &[
    "crates/bayeux-protocol/src/",
    "crates/bayeux-engine/src/",
    "crates/bayeux-client/src/core.rs",
    "crates/bayeux-client/src/core/",
];

/// What they may not use, with all that is in it.
const FORBIDDEN: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "std::thread",
    "std::net",
    "std::fs",
    "std::env",
    "std::process",
    "tokio",
    "mio",
];
/// Any crate of these families.
const FORBIDDEN_FAMILIES: &[&str] = &["actix", "futures", "tokio"];
/// Plain values among the forbidden.
const ALLOWED: &[&str] = &["std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr", "std::net::SocketAddr"];

/// Refuses each use of what is forbidden.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let is_pure = PURE_CRATES.iter().any(|directory| source.path.starts_with(directory));
    let is_test = source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
    if !is_pure || is_test || source.extension() != Some("rs") {
        return Vec::new();
    }
    match syn::parse_file(&source.text) {
        Ok(file) => {
            let mut uses = Uses { source, findings: Vec::new() };
            uses.visit_file(&file);
            uses.findings
        }
        Err(error) => vec![source.finding(error.span().start().line, format!("is no Rust: {error}"))],
    }
}

/// Walks over one file, except for its tests.
struct Uses<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl Uses<'_> {
    fn refuse(&mut self, line: usize, what: &str) {
        self.findings.push(self.source.finding(line, format!("{what} in a crate that is pure")));
    }

    /// A path in the code. To name a module is enough to use what is in it, so an import is judged by both.
    fn judge(&mut self, line: usize, path: &str, is_import: bool) {
        let within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let family = path.split("::").next().unwrap_or_default().split('_').next().unwrap_or_default();
        let is_forbidden =
            FORBIDDEN.iter().any(|forbidden| within(path, forbidden) || is_import && within(forbidden, path))
                || FORBIDDEN_FAMILIES.contains(&family);
        if is_forbidden && !ALLOWED.iter().any(|allowed| within(path, allowed)) {
            self.refuse(line, path);
        }
    }

    fn import(&mut self, before: &str, tree: &UseTree) {
        let line = tree.span().start().line;
        let join = |name: &dyn ToString| {
            if before.is_empty() { name.to_string() } else { format!("{before}::{}", name.to_string()) }
        };
        match tree {
            UseTree::Path(path) => self.import(&join(&path.ident), &path.tree),
            UseTree::Name(name) if name.ident == "self" => self.judge(line, before, true),
            UseTree::Name(name) => self.judge(line, &join(&name.ident), true),
            UseTree::Rename(rename) if rename.ident == "self" => self.judge(line, before, true),
            UseTree::Rename(rename) => self.judge(line, &join(&rename.ident), true),
            UseTree::Glob(_) => self.judge(line, before, true),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.import(before, item)),
        }
    }

    /// The paths in a macro's arguments, which are not parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = String::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons == 2 && !path.is_empty() {
                        path.push_str("::");
                    } else {
                        self.judge(line, &path, false);
                        path.clear();
                        line = ident.span().start().line;
                    }
                    path.push_str(&ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => self.tokens(group.stream()),
                _ => colons = 0,
            }
        }
        self.judge(line, &path, false);
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_for_tests) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !matches!(item, ImplItem::Fn(function) if function.attrs.iter().any(is_for_tests)) {
            syn::visit::visit_impl_item(self, item);
        }
    }

    fn visit_use_tree(&mut self, tree: &'ast UseTree) {
        self.import("", tree);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.judge(path.span().start().line, &names.join("::"), false);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.tokens(called.tokens.clone());
        syn::visit::visit_macro(self, called);
    }

    fn visit_expr_await(&mut self, awaited: &'ast syn::ExprAwait) {
        self.refuse(awaited.span().start().line, "await");
        syn::visit::visit_expr_await(self, awaited);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
    list.path.is_ident("cfg") && list.tokens.to_string() == "test"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        check(&Source::new("crates/bayeux-engine/src/a.rs", text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clocks_threads_tasks_and_sockets_are_refused() {
        for (text, what) in [
            ("use std::time::Instant;", "std::time::Instant"),
            ("use std::{net::IpAddr, time::{Duration, Instant}};", "std::time::Instant"),
            ("use std::time::SystemTime as Clock;", "std::time::SystemTime"),
            ("use std::time;", "std::time"),
            ("use std::time::*;", "std::time"),
            ("use std::thread::{self};", "std::thread"),
            ("fn f() { std::thread::sleep(d); }", "std::thread::sleep"),
            ("fn f() { let x = std::time::Instant::now(); }", "std::time::Instant::now"),
            ("type S = std::net::TcpStream;", "std::net::TcpStream"),
            ("fn f() { tokio::spawn(x); }", "tokio::spawn"),
            ("use actix_web::HttpRequest;", "actix_web::HttpRequest"),
            ("fn f() { assert!(1 > 0, \"{:?}\", std::time::Instant::now()); }", "std::time::Instant::now"),
            ("async fn f() { g().await }", "await"),
        ] {
            let expected = format!("crates/bayeux-engine/src/a.rs:1: {what} in a crate that is pure");
            assert_eq!(found(text), [expected], "{text}");
        }
        assert_eq!(found("fn f( {").len(), 1);
    }

    #[test]
    fn values_tests_and_prose_are_not() {
        for text in [
            "use std::{net::IpAddr, time::Duration, task::Waker};",
            "/// As std::time::Instant is.\nfn f() { let x = \"tokio::spawn\"; }",
            "#[cfg(test)]\nmod tests {\n    use std::time::Instant;\n}",
            "#[cfg(test)]\nuse std::thread;",
            "impl A {\n    #[cfg(test)]\n    fn f() { std::thread::yield_now(); }\n}",
            "fn instant() -> Instant { thread(x) }",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
        let elsewhere = |path| check(&Source::new(path, "use std::time::Instant;")).len();
        assert_eq!(elsewhere("crates/bayeux-protocol/src/codec/scan.rs"), 1);
        assert_eq!(elsewhere("crates/bayeux-client/src/core/phase.rs"), 1);
        assert_eq!(elsewhere("crates/bayeux-client/src/driver.rs"), 0);
        assert_eq!(elsewhere("crates/bayeux-server/src/clock.rs"), 0);
        assert_eq!(elsewhere("crates/bayeux-engine/src/engine/tests.rs"), 0);
        assert_eq!(elsewhere("crates/bayeux-engine/tests/it/world.rs"), 0);
    }
}
