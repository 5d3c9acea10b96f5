//! What a server wants of every client (`--ext`, `--header`), put also into what cases write themselves: into each handshake in a
//! body, frame, form or query, and into each head of raw bytes. What can't be read is malformed on purpose: there the ext is put in as
//! text, behind the brace of each object that names the channel, so that it is not refused for the lack of a login.

use crate::json::{Json, parse};
use crate::target::Target;

const HANDSHAKE: &str = "/meta/handshake";

impl Target {
    /// Puts the ext into a handshake; its own members count.
    pub fn complete_handshake(&self, message: &mut Json) {
        let Some(ext) = self.ext.as_ref().filter(|_| message.get_str("channel") == Some(HANDSHAKE)) else { return };
        match message.get("ext") {
            None | Some(Json::Null) => message.set("ext", ext.clone()),
            Some(Json::Object(own)) => {
                let mut merged = ext.clone();
                for (name, value) in own {
                    merged.set(name, value.clone());
                }
                message.set("ext", merged);
            }
            // A case about an ext that is none.
            Some(_) => {}
        }
    }

    /// Puts the ext into a body or a message of frames, in the pieces in which it is sent. If the whole can't be read, each piece
    /// is looked at alone.
    pub fn complete_pieces(&self, pieces: &mut [Vec<u8>]) {
        if self.ext.is_none() {
            return;
        }
        let whole = pieces.concat();
        if parse(&whole).is_err() || pieces.len() == 1 {
            for piece in pieces {
                if let Some(completed) = self.completed(piece).or_else(|| self.completed_form(piece)) {
                    *piece = completed;
                }
            }
        } else if let Some(completed) = self.completed(&whole) {
            // Whatever was put in stands before the end of the last piece: this keeps the cuts of the others.
            let mut rest = completed.as_slice();
            let count = pieces.len();
            for piece in &mut pieces[..count - 1] {
                let (head, tail) = rest.split_at(piece.len().min(rest.len()));
                *piece = head.to_vec();
                rest = tail;
            }
            pieces[count - 1] = rest.to_vec();
        }
    }

    /// Whether a text that was completed has a handshake without the ext, because it has one of its own that is no object, or is in
    /// pieces: what becomes of it can't be told from the refusal of who is not logged in.
    pub fn lacks_login(&self, text: &[u8]) -> bool {
        let Some(ext) = &self.ext else { return false };
        let names = ext.as_object().unwrap_or_default().iter().map(|(name, _)| Json::from(name.as_str()).to_string());
        !handshakes(text).is_empty() && names.into_iter().any(|name| find(text, name.as_bytes()).is_none())
    }

    /// Puts the ext into the handshakes of a query, behind its `?`.
    pub fn complete_query(&self, suffix: &str) -> String {
        let completed = suffix.split_once('?').and_then(|(path, query)| {
            let query = String::from_utf8(self.completed_form(query.as_bytes())?).ok()?;
            Some(format!("{path}?{query}"))
        });
        completed.unwrap_or_else(|| suffix.to_owned())
    }

    /// Puts head fields and ext into requests that are written byte by byte.
    pub fn complete_raw(&self, bytes: &[u8]) -> Vec<u8> {
        if self.headers.is_empty() && self.ext.is_none() {
            return bytes.to_vec();
        }
        let (mut out, mut rest) = (Vec::new(), bytes);
        while let Some(line) = find(rest, b"\r\n").filter(|line| {
            rest[..*line].trim_ascii_end().ends_with(b"HTTP/1.1") || rest[..*line].ends_with(b"HTTP/1.0")
        }) {
            let end = find(rest, b"\r\n\r\n").map_or(rest.len(), |at| at + 4);
            let fields = &rest[line + 2..end];
            let (at, length) = declared(fields).unwrap_or((0..0, 0));
            let body = &rest[end..rest.len().min(end + length)];
            let completed = self.completed(body);
            out.extend_from_slice(&rest[..line + 2]);
            for (name, value) in &self.headers {
                out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            match &completed {
                None => out.extend_from_slice(fields),
                Some(completed) => {
                    out.extend_from_slice(&fields[..at.start]);
                    out.extend_from_slice((length + completed.len() - body.len()).to_string().as_bytes());
                    out.extend_from_slice(&fields[at.end..]);
                }
            }
            rest = &rest[end + body.len()..];
            out.extend(completed.as_deref().unwrap_or(body));
        }
        out.extend_from_slice(rest);
        out
    }

    /// A text of messages with the ext in its handshakes; none if there is nothing to be done.
    fn completed(&self, text: &[u8]) -> Option<Vec<u8>> {
        let ext = self.ext.as_ref()?;
        let Some(parsed) = parse(text).ok().filter(|parsed| parsed.oddities.is_empty()) else {
            return put_in(text, ext);
        };
        let mut value = parsed.value;
        let lacks = |message: &Json| message.get_str("channel") == Some(HANDSHAKE) && message.get("ext").is_none();
        let messages = value.as_array().unwrap_or_else(|| std::slice::from_ref(&value));
        if messages.len() == 1 && lacks(&messages[0]) {
            // Spaces and escapes may be what the case is about.
            let open = find(text, b"{")? + 1;
            return Some([&text[..open], format!("\"ext\":{ext},").as_bytes(), &text[open..]].concat());
        }
        if !messages.iter().any(|message| message.get_str("channel") == Some(HANDSHAKE)) {
            return None;
        }
        match &mut value {
            Json::Array(messages) => messages.iter_mut().for_each(|message| self.complete_handshake(message)),
            message => self.complete_handshake(message),
        }
        Some(value.to_string().into_bytes())
    }

    /// The same for the fields `message` of a form.
    fn completed_form(&self, form: &[u8]) -> Option<Vec<u8>> {
        let form = std::str::from_utf8(form).ok()?;
        let mut changed = false;
        let fields: Vec<_> = form
            .split('&')
            .map(|field| {
                let decoded = url::form_urlencoded::parse(field.as_bytes()).next();
                let value = decoded.filter(|(name, _)| name == "message").map(|(_, value)| value.into_owned());
                let Some(completed) = value.and_then(|value| self.completed(value.as_bytes())) else {
                    return field.to_owned();
                };
                changed = true;
                format!("message={}", url::form_urlencoded::byte_serialize(&completed).collect::<String>())
            })
            .collect();
        changed.then(|| fields.join("&").into_bytes())
    }
}

/// The text with the ext in each object that has the channel of handshakes, unless it has one that is no object; none if there is no
/// such object.
fn put_in(text: &[u8], ext: &Json) -> Option<Vec<u8>> {
    let text_of_ext = ext.to_string();
    let members =
        text_of_ext.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|inner| !inner.is_empty())?;
    let mut out = text.to_vec();
    // From the end, so that what is found before stays where it is.
    for open in handshakes(text).into_iter().rev() {
        let behind = |from: usize| from + text[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let own = find(&text[open..], b"\"ext\"").map(|at| behind(open + at + b"\"ext\"".len()));
        let (at, added) = match own {
            None => (open + 1, format!("\"ext\":{ext},")),
            Some(colon) => match behind(colon + 1) {
                brace if text.get(brace) == Some(&b'{') && text.get(behind(brace + 1)) != Some(&b'}') => {
                    (brace + 1, format!("{members},"))
                }
                _ => continue,
            },
        };
        out.splice(at..at, added.into_bytes());
    }
    (out.len() > text.len()).then_some(out)
}

/// Where the braces are of the objects of a text that have the channel of handshakes, readable or not.
fn handshakes(text: &[u8]) -> Vec<usize> {
    let named = |at: &usize| {
        let is_name = |name: &[u8]| text[*at..].starts_with(name);
        text[..*at].trim_ascii_end().ends_with(b":")
            && (is_name(b"\"/meta/handshake\"") || is_name(br#""\/meta\/handshake""#))
    };
    (0..text.len()).filter(named).filter_map(|at| enclosing(&text[..at])).collect()
}

/// Where the brace is that is open at the end of a text.
fn enclosing(text: &[u8]) -> Option<usize> {
    let mut closed = 0;
    text.iter().rposition(|byte| {
        match byte {
            b'}' => closed += 1,
            b'{' if closed == 0 => return true,
            b'{' => closed -= 1,
            _ => {}
        }
        false
    })
}

/// Where the value of the Content-Length stands in the fields of a head, and how much it is.
fn declared(fields: &[u8]) -> Option<(std::ops::Range<usize>, usize)> {
    const NAME: &[u8] = b"content-length: ";
    let start = find(&fields.to_ascii_lowercase(), NAME)? + NAME.len();
    let end = start + find(&fields[start..], b"\r\n")?;
    Some((start..end, std::str::from_utf8(&fields[start..end]).ok()?.parse().ok()?))
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        let mut target = Target::new("http://localhost/bayeux", None).expect("a URL");
        target.ext = Some(parse(br#"{"token":"t"}"#).expect("JSON").value);
        target.headers = vec![("X-Key".into(), "k".into())];
        target
    }

    fn pieces(pieces: &[&str]) -> Vec<String> {
        let mut pieces: Vec<_> = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        target().complete_pieces(&mut pieces);
        pieces.into_iter().map(|piece| String::from_utf8(piece).expect("UTF-8")).collect()
    }

    #[test]
    fn handshakes_that_cases_write_get_the_ext() {
        let plain = r#"[{"channel":"\/meta/handshake", "id":"1"}]"#;
        assert_eq!(pieces(&[plain]), [r#"[{"ext":{"token":"t"},"channel":"\/meta/handshake", "id":"1"}]"#]);
        let own = r#"[{"channel":"/meta/handshake","ext":{"ack":true}},{"channel":"/x"}]"#;
        assert_eq!(
            pieces(&[own]),
            [r#"[{"channel":"/meta/handshake","ext":{"token":"t","ack":true}},{"channel":"/x"}]"#]
        );
        assert_eq!(pieces(&[&plain[..9], &plain[9..]]).concat(), pieces(&[plain]).concat());
        let form = pieces(&["message=%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%7D&x=1"]);
        assert_eq!(
            form,
            ["message=%7B%22ext%22%3A%7B%22token%22%3A%22t%22%7D%2C%22channel%22%3A%22%2Fmeta%2Fhandshake%22%7D&x=1"]
        );
        assert!(
            target()
                .complete_query("?message=%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%7D&jsonp=a")
                .contains("token")
        );
    }

    #[test]
    fn what_has_an_ext_that_is_none_or_is_no_handshake_stays_as_it_is() {
        let own = r#"[{"channel":"/meta/handshake","ext":7}]"#;
        let none = [r#"[{"channel":"/meta/connect"}]"#, r#"{"channel":"/meta/connect""#, r#"["/meta/handshake"]"#];
        for text in none.into_iter().chain([own, "message=%7B&jsonp=a"]) {
            assert_eq!(pieces(&[text]), [text]);
            assert_eq!(target().lacks_login(text.as_bytes()), text == own);
        }
    }

    #[test]
    fn a_handshake_that_can_not_be_read_gets_the_ext_too() {
        let with = r#"{"ext":{"token":"t"},"#;
        for (text, completed) in [
            (r#"[{"channel":"/meta/handshake"}"#, format!(r#"[{with}"channel":"/meta/handshake"}}"#)),
            (
                r#"[{"a":{"b":1},"channel":"\/meta\/handshake","a":1}]"#,
                format!(r#"[{with}"a":{{"b":1}},"channel":"\/meta\/handshake","a":1}}]"#),
            ),
            (
                r#"{"channel":"/meta/handshake","ext" : {"n":NaN}}"#,
                r#"{"channel":"/meta/handshake","ext" : {"token":"t","n":NaN}}"#.to_owned(),
            ),
            (r#"{"channel":"/meta/handshake""#, format!(r#"{with}"channel":"/meta/handshake""#)),
        ] {
            assert_eq!(pieces(&[text]), [completed.as_str()]);
            assert!(!target().lacks_login(completed.as_bytes()) && target().lacks_login(text.as_bytes()));
        }
    }

    #[test]
    fn raw_requests_get_the_fields_and_as_much_length_as_was_added() {
        let body = r#"[{"channel":"/meta/handshake"}]"#;
        let one = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let done = String::from_utf8(target().complete_raw(format!("{one}{one}").as_bytes())).expect("UTF-8");
        let longer = r#"[{"ext":{"token":"t"},"channel":"/meta/handshake"}]"#;
        let wanted =
            format!("POST / HTTP/1.1\r\nX-Key: k\r\nHost: h\r\nContent-Length: {}\r\n\r\n{longer}", longer.len());
        assert_eq!(done, format!("{wanted}{wanted}"));
        let unfinished = target().complete_raw(b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n[{");
        assert_eq!(unfinished, b"POST / HTTP/1.1\r\nX-Key: k\r\nContent-Length: 100000\r\n\r\n[{");
        assert_eq!(target().complete_raw(b"nonsense\r\n\r\n"), b"nonsense\r\n\r\n");
    }
}
