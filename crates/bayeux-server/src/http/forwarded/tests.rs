use proptest::prelude::*;

use super::*;
use crate::http::{Method, gate::CrossSite};

const PROXIES: [&str; 4] = ["10.0.0.0/8", "127.0.0.1", "fd00::/8", "::ffff:192.0.2.0/120"];

fn proxies() -> TrustedProxies {
    TrustedProxies::parse(PROXIES).expect("they are addresses and networks")
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

/// A request without TLS to `app.example`.
fn head(peer: &str) -> Head<'static> {
    Head {
        method: Method::Post,
        suffix: "",
        query: "",
        accept: None,
        last_event_id: None,
        site: CrossSite { host: Some("app.example"), ..CrossSite::default() },
        cookies: Vec::new(),
        content_type: None,
        encoded: false,
        peer: address(peer),
        secure: false,
    }
}

/// What is believed of these headers when they come from `peer`.
fn believed<'h>(peer: &str, headers: &[(&str, &'h [u8])]) -> Head<'h> {
    let mut head: Head<'h> = head(peer);
    let of = |name: &str| headers.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value).collect();
    proxies().apply(&mut head, of);
    head
}

/// The client by these lines of `X-Forwarded-For`.
fn client(peer: &str, lines: &[&str]) -> String {
    let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", line.as_bytes())).collect();
    believed(peer, &headers).peer.to_string()
}

#[test]
fn the_client_is_the_last_address_that_is_not_listed() {
    for (peer, lines, expected) in [
        ("10.0.0.1", &[][..], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
        ("127.0.0.1", &["1.2.3.4"], "1.2.3.4"),
        ("::ffff:10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
        ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
        ("192.0.2.9", &["1.2.3.4"], "1.2.3.4"),
        // Several proxies.
        ("10.0.0.1", &["1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", &["1.2.3.4,10.0.0.2,fd00::2\t,  ::ffff:10.0.0.3"], "1.2.3.4"),
        ("10.0.0.1", &["1.2.3.4", "10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        // What the client wrote itself stands in front.
        ("10.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", &["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", &["10.0.0.9, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", &["nonsense, 1.2.3.4"], "1.2.3.4"),
        // As some write them.
        ("10.0.0.1", &["1.2.3.4:5678"], "1.2.3.4"),
        ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", &["[2001:db8::7]:5678"], "2001:db8::7"),
        ("10.0.0.1", &["::ffff:1.2.3.4"], "1.2.3.4"),
        // Where the way is lost.
        ("10.0.0.1", &[""], "10.0.0.1"),
        ("10.0.0.1", &["unknown"], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4,"], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4", ""], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["1.2.3.4 10.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4.5"], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3"], "10.0.0.1"),
        ("10.0.0.1", &["01.2.3.4"], "10.0.0.1"),
        ("10.0.0.1", &["999.2.3.4"], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4:99999"], "10.0.0.1"),
        ("10.0.0.1", &["fe80::1%eth0"], "10.0.0.1"),
        ("10.0.0.1", &["[1.2.3.4"], "10.0.0.1"),
        ("10.0.0.1", &["\u{ff11}.2.3.4"], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4\0"], "10.0.0.1"),
        // Nobody that is listed.
        ("11.0.0.1", &["1.2.3.4"], "11.0.0.1"),
        ("127.0.0.2", &["1.2.3.4"], "127.0.0.2"),
        ("fe00::1", &["1.2.3.4"], "fe00::1"),
        ("192.0.3.9", &["1.2.3.4"], "192.0.3.9"),
        ("::a00:1", &["1.2.3.4"], "::a00:1"),
    ] {
        assert_eq!(client(peer, lines), expected, "{lines:?} from {peer}");
    }
    let not_text = [("x-forwarded-for", &b"1.2.3.4, \xff"[..])];
    assert_eq!(believed("10.0.0.1", &not_text).peer, address("10.0.0.1"));
}

#[test]
fn scheme_and_host_are_the_nearest_proxys_last_words() {
    let plain = (false, None, "app.example");
    let (tls, told_plain) = ((true, Some(true), "app.example"), (false, Some(false), "app.example"));
    for (name, values, expected) in [
        ("x-forwarded-proto", &["https"][..], tls),
        ("x-forwarded-proto", &["HTTPS"], tls),
        ("x-forwarded-proto", &["wss"], tls),
        ("x-forwarded-proto", &["http"], told_plain),
        ("x-forwarded-proto", &["ws"], told_plain),
        ("x-forwarded-proto", &["http, https"], tls),
        ("x-forwarded-proto", &["http", " https "], tls),
        ("x-forwarded-proto", &["https,http"], told_plain),
        ("x-forwarded-proto", &["https", "http"], told_plain),
        ("x-forwarded-proto", &[""], plain),
        ("x-forwarded-proto", &["https,"], plain),
        ("x-forwarded-proto", &["httpsx"], plain),
        ("x-forwarded-proto", &["https;http"], plain),
        ("x-forwarded-proto", &["on"], plain),
        ("x-forwarded-host", &["b.example"], (false, None, "b.example")),
        ("x-forwarded-host", &["b.example:8443"], (false, None, "b.example:8443")),
        ("x-forwarded-host", &["[::1]:8443"], (false, None, "[::1]:8443")),
        ("x-forwarded-host", &["evil.example, b.example"], (false, None, "b.example")),
        ("x-forwarded-host", &["evil.example", "b.example"], (false, None, "b.example")),
        ("x-forwarded-host", &[""], plain),
        ("x-forwarded-host", &["b.example,"], plain),
        ("x-forwarded-host", &["b.example/"], plain),
        ("x-forwarded-host", &["a@b.example"], plain),
        ("x-forwarded-host", &["b.example:x"], plain),
        ("x-forwarded-host", &["<b>"], plain),
        ("forwarded", &["for=1.2.3.4;proto=https;host=b.example"], plain),
    ] {
        let headers: Vec<_> = values.iter().map(|value| (name, value.as_bytes())).collect();
        for (peer, expected) in [("10.0.0.1", expected), ("11.0.0.1", plain)] {
            let head = believed(peer, &headers);
            let found = (head.secure, head.site.secure, head.site.host.unwrap_or_default());
            assert_eq!(found, expected, "{name}: {values:?} from {peer}");
            assert_eq!(head.peer, address(peer));
        }
    }
    // TLS between the proxy and us says nothing of the browser.
    let mut head = Head { secure: true, ..head("10.0.0.1") };
    proxies().apply(&mut head, |name| if name == "x-forwarded-proto" { vec![b"http"] } else { Vec::new() });
    assert!(!head.secure);
}

#[test]
fn without_a_list_nobody_is_believed() {
    let mut head = head("127.0.0.1");
    TrustedProxies::default().apply(&mut head, |_| panic!("no header is looked at"));
    assert_eq!((head.peer, head.secure), (address("127.0.0.1"), false));
}

#[test]
fn a_list_is_of_addresses_and_networks() {
    for text in ["127.0.0.1", "::1", "10.0.0.0/8", "10.1.2.3/8", "fd00::/8", "1.2.3.4/32", "0.0.0.0/1", "::/1"] {
        assert!(TrustedProxies::parse([text]).is_ok(), "{text}");
    }
    for text in ["0.0.0.0/0", "::/0", "1.2.3.4/0", "::ffff:0.0.0.0/96"] {
        assert_eq!(TrustedProxies::parse(["::1", text]), Err(ProxyError::Anybody(text.to_owned())));
    }
    for text in [
        "",
        "*",
        "localhost",
        "10.0.0.0/33",
        "10/8",
        "10.0.0.0/",
        "10.0.0.0/08x",
        "::1%lo",
        "[::1]",
        "1.2.3.4:80",
        " ::1",
    ] {
        assert_eq!(TrustedProxies::parse(["::1", text]), Err(ProxyError::Form(text.to_owned())));
    }
    for (listed, inside, outside) in [
        ("10.1.2.3/8", "10.255.255.255", "11.0.0.0"),
        ("10.1.2.3", "::ffff:10.1.2.3", "10.1.2.4"),
        ("::ffff:10.1.2.3", "10.1.2.3", "::10.1.2.3"),
        ("::ffff:10.1.0.0/112", "10.1.255.255", "10.2.0.0"),
        ("fd00::/8", "fdff::1", "fe00::1"),
        ("1.2.3.4/31", "1.2.3.5", "1.2.3.6"),
    ] {
        let list = TrustedProxies::parse([listed]).expect("it is a network");
        assert!(list.contains(address(inside)) && !list.contains(address(outside)), "{listed}");
    }
}

/// A proxy that passes on whatever it gets can be made to send much; it is read no further than any way leads.
#[test]
fn a_way_without_an_end_is_cut_off() {
    let loops = vec!["10.0.0.2"; 10_000].join(",");
    let (far, near) = (format!("1.2.3.4,{loops}"), format!("1.2.3.4{}", ",10.0.0.2".repeat(MAX_PROXIES - 1)));
    assert_eq!(client("10.0.0.1", &[&far]), "10.0.0.2");
    assert_eq!(client("10.0.0.1", &[&near]), "1.2.3.4");
    assert_eq!(client("10.0.0.1", &[&"1".repeat(100_000)]), "10.0.0.1");
}

proptest! {
    #[test]
    fn no_bytes_panic_and_none_are_believed_of_a_stranger(values: Vec<Vec<u8>>, stranger: u32) {
        for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
            let headers: Vec<_> = values.iter().map(|value| (name, &value[..])).collect();
            believed("10.0.0.1", &headers);
            let stranger = IpAddr::from(stranger.to_be_bytes());
            prop_assume!(!proxies().contains(stranger));
            let head = believed(&stranger.to_string(), &headers);
            prop_assert_eq!((head.peer, head.secure, head.site.host), (stranger, false, Some("app.example")));
        }
    }

    #[test]
    fn whatever_a_client_writes_in_front_its_own_address_counts(written in ".{0,40}", lines in 0..3_usize, own: u32) {
        let own = IpAddr::from(own.to_be_bytes());
        prop_assume!(!proxies().contains(own));
        let mut all = vec![written.as_str(); lines];
        let appended = format!("{written}, {own}, 10.0.0.7");
        all.push(&appended);
        prop_assert_eq!(client("10.0.0.1", &all), own.to_string());
    }
}
