//! The BAYEUX_BROWSER cookie: names a browser, so that a session can be bound to it (BX-SEC-3, BX-MC-1).
//!
//! The value is 16 random bytes, when an upgrade named the browser, and a keyed tag over both: so a cookie that this server did
//! not make is known without state.

use std::hash::Hasher;

use bayeux_engine::{BrowserId, Time};
use siphasher::sip128::{Hasher128, SipHasher24};

const ID_BYTES: usize = 16;
const UPGRADED_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
const VALUE_LENGTH: usize = 2 * (ID_BYTES + UPGRADED_BYTES + TAG_BYTES);
/// Stands for a browser that a handshake named.
const NOT_UPGRADED: u64 = u64::MAX;

/// What a genuine cookie says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Browser {
    /// Which browser.
    pub id: BrowserId,
    /// When the upgrade of a WebSocket named it, if one did.
    pub upgraded: Option<Time>,
}

/// Makes and reads the cookie, under one secret key.
pub struct BrowserCookies {
    name: CookieName,
    key: [u8; 16],
}

/// A cookie's name: an RFC 6265 token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(String);

/// A text that is no cookie name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cookie name")]
pub struct BadCookieName;

/// Where the cookie has to travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieSite {
    /// To pages of this site, over plain HTTP.
    SameSite,
    /// To pages of this site, over TLS only.
    SameSiteTls,
    /// To pages of a listed origin elsewhere: browsers ask for TLS, and keep it apart for each such page.
    CrossSiteTls,
}

impl CookieName {
    /// Checks a name.
    ///
    /// # Errors
    /// It is empty, or has a character that a cookie name can't have.
    pub fn parse(text: &str) -> Result<Self, BadCookieName> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || !text.bytes().all(token) { Err(BadCookieName) } else { Ok(Self(text.to_owned())) }
    }
}

impl BrowserCookies {
    /// Under `key`, which is secret and random.
    pub const fn new(name: CookieName, key: [u8; 16]) -> Self {
        Self { name, key }
    }

    /// A new browser, named by a handshake or by an `upgraded` socket, and the value of its cookie.
    pub fn mint(&self, random: [u8; ID_BYTES], upgraded: Option<Time>) -> (Browser, String) {
        let millis = upgraded.map_or(NOT_UPGRADED, Time::as_millis).to_be_bytes();
        let mut value = String::with_capacity(VALUE_LENGTH);
        for byte in random.iter().chain(&millis).chain(&self.tag(&random, &millis)) {
            value.push_str(&format!("{byte:02x}"));
        }
        (Browser { id: BrowserId(random), upgraded }, value)
    }

    /// The browser that a request's `Cookie` headers name: the first genuine value, since a page on a sibling domain can set
    /// another of the same name in front.
    pub fn read<'a>(&self, headers: impl IntoIterator<Item = &'a [u8]>) -> Option<Browser> {
        let mut pairs = headers.into_iter().flat_map(|header| header.split(|byte| *byte == b';'));
        pairs.find_map(|pair| {
            let pair = pair.trim_ascii();
            let value = pair.strip_prefix(self.name.0.as_bytes())?.strip_prefix(b"=")?;
            self.genuine(value)
        })
    }

    /// The header that sets the cookie.
    pub fn set_cookie(&self, value: &str, site: CookieSite) -> String {
        let site = match site {
            CookieSite::SameSite => "SameSite=Lax",
            CookieSite::SameSiteTls => "SameSite=Lax; Secure",
            CookieSite::CrossSiteTls => "SameSite=None; Secure; Partitioned",
        };
        format!("{}={value}; Path=/; HttpOnly; {site}", self.name.0)
    }

    fn genuine(&self, value: &[u8]) -> Option<Browser> {
        if value.len() != VALUE_LENGTH {
            return None;
        }
        let mut bytes = [0; ID_BYTES + UPGRADED_BYTES + TAG_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(value.chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        let (id, rest) = bytes.split_first_chunk::<ID_BYTES>()?;
        let (millis, tag) = rest.split_first_chunk::<UPGRADED_BYTES>()?;
        // Every byte is compared, so the time tells nothing of where a forged tag goes wrong.
        let difference = tag.iter().zip(self.tag(id, millis)).fold(0, |all, (theirs, ours)| all | (theirs ^ ours));
        let upgraded = Some(u64::from_be_bytes(*millis)).filter(|millis| *millis != NOT_UPGRADED);
        (difference == 0).then(|| Browser { id: BrowserId(*id), upgraded: upgraded.map(Time::from_millis) })
    }

    fn tag(&self, id: &[u8; ID_BYTES], upgraded: &[u8; UPGRADED_BYTES]) -> [u8; TAG_BYTES] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(id);
        hasher.write(upgraded);
        hasher.finish128().as_u128().to_be_bytes()
    }
}

/// Lower case only: one value, one spelling.
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cookies(key: u8) -> BrowserCookies {
        BrowserCookies::new(CookieName::parse("BAYEUX_BROWSER").expect("a token"), [key; 16])
    }

    fn read(cookies: &BrowserCookies, headers: &[&str]) -> Option<Browser> {
        cookies.read(headers.iter().map(|header| header.as_bytes()))
    }

    #[test]
    fn bx_sec_3_a_genuine_cookie_is_found_among_others() {
        let cookies = cookies(1);
        let (id, value) = cookies.mint([7; 16], None);
        assert_eq!(value.len(), 80);
        for header in [
            format!("BAYEUX_BROWSER={value}"),
            format!("a=b; BAYEUX_BROWSER={value}; c=d"),
            format!("BAYEUX_BROWSER=forged;BAYEUX_BROWSER={value}"),
        ] {
            assert_eq!(read(&cookies, &[&header]), Some(id), "{header}");
        }
        assert_eq!(read(&cookies, &["a=b", &format!("BAYEUX_BROWSER={value}")]), Some(id));
    }

    #[test]
    fn bx_sec_3_anything_else_is_no_cookie() {
        let ours = cookies(1);
        let (_, value) = ours.mint([7; 16], None);
        let (_, foreign) = cookies(2).mint([7; 16], None);
        let mut turned = value.clone().into_bytes();
        turned[0] ^= 1;
        let turned = String::from_utf8_lossy(&turned).into_owned();
        for value in
            ["", "x", &"a".repeat(8192), &foreign, &value.to_uppercase(), &value[1..], &format!("{value}0"), &turned]
        {
            assert_eq!(read(&ours, &[&format!("BAYEUX_BROWSER={value}")]), None, "{}", value.len());
        }
        assert_eq!(read(&ours, &[&format!("XBAYEUX_BROWSER={value}")]), None);
        assert_eq!(read(&ours, &[&format!("BAYEUX_BROWSERX={value}")]), None);
        assert_eq!(ours.read([&b"BAYEUX_BROWSER=\xff\xfe"[..]]), None);
    }

    #[test]
    fn the_attributes_fit_the_site() {
        let cookies = cookies(1);
        let set = |site| cookies.set_cookie("v", site);
        assert_eq!(set(CookieSite::SameSite), "BAYEUX_BROWSER=v; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(set(CookieSite::SameSiteTls), "BAYEUX_BROWSER=v; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(
            set(CookieSite::CrossSiteTls),
            "BAYEUX_BROWSER=v; Path=/; HttpOnly; SameSite=None; Secure; Partitioned"
        );
        assert_eq!(CookieName::parse("a;b"), Err(BadCookieName));
    }

    #[test]
    fn bx_sec_3_only_the_name_in_use_is_read() {
        let name = CookieName::parse("sid").expect("a token");
        let cookies = BrowserCookies::new(name, [1; 16]);
        let (id, value) = cookies.mint([7; 16], None);
        assert_eq!(read(&cookies, &[&format!("sid={value}")]), Some(id));
        for header in [
            format!("BAYEUX_BROWSER={value}"),
            format!("SID={value}"),
            format!("sid ={value}"),
            format!("sid=\"{value}\""),
            value,
        ] {
            assert_eq!(read(&cookies, &[&header]), None, "{header}");
        }
        for bad in ["", "a b", "a=b", "a,b", "\"a\"", "a\r\n", "b\u{fc}"] {
            assert_eq!(CookieName::parse(bad), Err(BadCookieName), "{bad:?}");
        }
    }

    #[test]
    fn bx_sec_3_a_value_altered_in_one_place_is_forged() {
        let cookies = cookies(1);
        let (id, value) = cookies.mint([7; 16], None);
        let header = format!("BAYEUX_BROWSER={value}").into_bytes();
        assert_eq!(cookies.read([&header[..]]), Some(id));
        for place in header.len() - VALUE_LENGTH..header.len() {
            for with in (0..=u8::MAX).filter(|with| *with != header[place]) {
                let mut header = header.clone();
                header[place] = with;
                assert_eq!(cookies.read([&header[..]]), None, "{place} {with}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_minted_reads_back_and_arbitrary_headers_never_panic(id: [u8; 16], at: Option<u32>, key: u8, noise: Vec<u8>) {
            let cookies = cookies(key);
            let (id, value) = cookies.mint(id, at.map(|at| Time::from_millis(at.into())));
            prop_assert_eq!(read(&cookies, &[&format!("BAYEUX_BROWSER={value}")]), Some(id));
            prop_assert_eq!(cookies.read([&noise[..]]), None);
            let forged = [b"BAYEUX_BROWSER=", &noise[..]].concat();
            let genuine = format!("BAYEUX_BROWSER={value}");
            prop_assert_eq!(cookies.read([&forged[..], genuine.as_bytes()]), Some(id));
        }
    }
}
