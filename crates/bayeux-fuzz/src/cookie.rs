//! The browser's cookie: only what this server made is read, whatever stands around it.

use bayeux_engine::{BrowserId, Time};
use bayeux_server::http::cookie::{Browser, BrowserCookies, CookieName};

const NAME: &str = "BAYEUX_BROWSER";
/// Bytes that no header has stand for genuine values in the input: no fuzzer guesses a tag.
const GENUINE: [u8; 2] = [0xf8, 0xf9];

pub(crate) fn run(input: &[u8]) {
    let cookies = BrowserCookies::new(CookieName::parse(NAME).expect("a token"), [7; 16]);
    let headers = input.split(|byte| *byte == b'\n').map(|header| filled(&cookies, header)).collect::<Vec<_>>();
    let expected = headers.iter().flat_map(|header| header.split(|byte| *byte == b';')).find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let name = pair[..equals].trim_ascii_start();
        (name == NAME.as_bytes()).then(|| genuine(&cookies, pair[equals + 1..].trim_ascii_end())).flatten()
    });
    assert_eq!(cookies.read(headers.iter().map(|header| &header[..])), expected);

    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(name) = CookieName::parse(text)
    {
        assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control() || "=;,\"\\".contains(c)), "{text:?}");
        let cookies = BrowserCookies::new(name, [7; 16]);
        let (browser, value) = cookies.mint([1; 16], None);
        assert_eq!(cookies.read([format!("{text}={value}").as_bytes()]), Some(browser));
    }
}

fn filled(cookies: &BrowserCookies, header: &[u8]) -> Vec<u8> {
    let (_, first) = cookies.mint([1; 16], None);
    let (_, second) = cookies.mint([2; 16], Some(Time::from_millis(5)));
    let mut filled = Vec::new();
    for byte in header {
        match *byte {
            byte if byte == GENUINE[0] => filled.extend(first.bytes()),
            byte if byte == GENUINE[1] => filled.extend(second.bytes()),
            byte => filled.push(byte),
        }
    }
    filled
}

/// A value is genuine if making it again makes the same.
fn genuine(cookies: &BrowserCookies, value: &[u8]) -> Option<Browser> {
    let digits = std::str::from_utf8(value).ok()?;
    let mut id = [0; 16];
    for (n, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    let millis = u64::from_str_radix(digits.get(32..48)?, 16).ok()?;
    let upgraded = (millis != u64::MAX).then(|| Time::from_millis(millis));
    let (browser, made) = cookies.mint(id, upgraded);
    assert_eq!(browser.id, BrowserId(id));
    (made == digits).then_some(browser)
}
