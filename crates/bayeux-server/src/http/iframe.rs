//! `iframe` (BX-ST-9), the forever frame: a page that never ends, with a script for each batch, which hands it to the page around.
//!
//! The page around is of this server's origin or a listed one: only such may have it in a frame, and only to such are messages
//! handed. No script runs in it but those that carry the nonce (BX-ST-17).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    escape::push_script_value,
    gate::{AllowedOrigins, Origin},
    wire::{EventFields, Headers, Wire, stream_headers},
};

/// Scripts in a page.
pub(super) struct Iframe {
    nonce: String,
    /// The origin of the page around, if it is not this server's own.
    parent: Option<Origin>,
    /// For the headers.
    policy: String,
}

impl Iframe {
    /// In a page of `parent`, under a nonce that is made of `random`. Pages of the origins that are `allowed` may have it in a frame.
    pub(super) fn new(parent: Option<Origin>, random: [u8; 16], allowed: &AllowedOrigins) -> Self {
        let nonce = URL_SAFE_NO_PAD.encode(random);
        let mut policy = format!("default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'self'");
        for origin in allowed.iter() {
            policy += &format!(" {origin}");
        }
        Self { nonce, parent, policy }
    }

    fn script(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<script nonce=");
        out.extend_from_slice(self.nonce.as_bytes());
        out.push(b'>');
    }
}

impl Wire for Iframe {
    fn headers(&mut self) -> Headers {
        let mut headers = stream_headers("text/html;charset=UTF-8");
        headers.push(("Content-Security-Policy", std::mem::take(&mut self.policy).into()));
        headers
    }

    fn open(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<!DOCTYPE html><title>Bayeux</title>");
        self.script(out);
        // An origin has no character that could end the text.
        let target = self.parent.as_ref().map_or_else(|| "location.origin".to_owned(), |origin| format!("'{origin}'"));
        out.extend_from_slice(format!("function d(b){{parent.postMessage(b,{target})}}</script>\n").as_bytes());
    }

    fn batch(&self, array: &[u8], _fields: EventFields, out: &mut Vec<u8>) {
        self.script(out);
        out.extend_from_slice(b"d(");
        push_script_value(array, out);
        out.extend_from_slice(b")</script>\n");
    }
}

#[cfg(test)]
mod tests {
    use bayeux_engine::{Frame, HEADROOM};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::http::wire::{beat, piece};

    const NONCE: &str = "AQEBAQEBAQEBAQEBAQEBAQ";

    fn page(parent: Option<&str>, listed: &[&str]) -> Iframe {
        let allowed = AllowedOrigins::parse(listed).expect("origins");
        Iframe::new(parent.map(|parent| parent.parse().expect("an origin")), [1; 16], &allowed)
    }

    fn read(page: &Iframe, first: bool, batch: &Value) -> String {
        let frame = Frame::Own([&[0; HEADROOM][..], batch.to_string().as_bytes()].concat());
        String::from_utf8(piece(page, first, &frame, EventFields::default()).data().into()).expect("text")
    }

    #[test]
    fn bx_st_9_each_batch_is_a_script_that_hands_it_to_the_page_around() {
        let own = page(None, &[]);
        let batch = json!([{"data": "</script>"}]);
        let script = format!("<script nonce={NONCE}>d([{{\"data\":\"\\u003c/script>\"}}])</script>\n");
        assert_eq!(
            read(&own, true, &batch),
            format!(
                "<!DOCTYPE html><title>Bayeux</title><script nonce={NONCE}>\
                 function d(b){{parent.postMessage(b,location.origin)}}</script>\n{script}"
            )
        );
        assert_eq!(read(&own, false, &batch), script);
        let listed = page(Some("https://Listed.example:443"), &[]);
        assert!(read(&listed, true, &batch).contains("postMessage(b,'https://listed.example')"));
        assert_eq!(beat(&own).data(), "\n");
    }

    #[test]
    fn bx_st_17_the_policy_names_who_may_have_it_in_a_frame() {
        let policy = |mut page: Iframe| page.headers().pop().map(|(_, value)| value.to_string());
        let own = format!("default-src 'none'; script-src 'nonce-{NONCE}'; frame-ancestors 'self'");
        assert_eq!(policy(page(None, &[])), Some(own.clone()));
        let two = page(None, &["https://a.example", "http://b.example:3000"]);
        assert_eq!(policy(two), Some(format!("{own} https://a.example http://b.example:3000")));
    }

    proptest! {
        #[test]
        fn bx_hrd_11_no_message_gets_out_of_its_script(key: String, value: String) {
            let batch = json!([{"channel": "/a", "data": {key: format!("</script>{value}<!--")}}]);
            let page = read(&page(None, &[]), false, &batch);
            let inner = page.strip_prefix(&format!("<script nonce={NONCE}>d(")).expect("a script");
            let inner = inner.strip_suffix(")</script>\n").expect("its end");
            prop_assert!(!inner.contains(['<', '\n', '\u{2028}', '\u{2029}']), "{}", inner);
            prop_assert_eq!(serde_json::from_str::<Value>(inner).ok(), Some(batch));
        }
    }
}
