//! A cookie jar of one origin: names and values, as a browser would send them back (RFC 6265, without expiry by date).

/// The cookies that one simulated browser holds.
#[derive(Debug, Clone, Default)]
pub struct Jar {
    cookies: Vec<(String, String)>,
}

impl Jar {
    /// Takes over what the `Set-Cookie` fields of a response say.
    pub fn take_over(&mut self, headers: &[(String, String)]) {
        for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let mut parts = value.split(';');
            let Some((name, content)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let (name, content) = (name.trim().to_owned(), content.trim().to_owned());
            let gone = parts.any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
            self.cookies.retain(|(other, _)| *other != name);
            if !gone {
                self.cookies.push((name, content));
            }
        }
    }

    /// The value of a `Cookie` field, if there are any cookies.
    pub fn header(&self) -> Option<String> {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Whether the server has set any.
    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    /// Sets one, as a script in the page could.
    pub fn set(&mut self, name: &str, value: &str) {
        self.cookies.retain(|(other, _)| other != name);
        self.cookies.push((name.to_owned(), value.to_owned()));
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cookies.iter().map(|(name, _)| name.as_str())
    }
}
