//! Who may use this server from a browser: same-origin, and the origins that are listed (BX-HRD-8).
//!
//! CORS does not stop a request, only the reading of its answer; so a foreign request is refused before it has an effect.

use std::{fmt, net::Ipv6Addr, str::FromStr};

/// Origins besides the server's own that browsers may connect from. Exact; no patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins {
    origins: Vec<Origin>,
}

/// A web origin, normalised: lower case, without its scheme's default port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    /// Host and, if it is not the default, port.
    authority: String,
}

/// Why a text is no origin to allow. The operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// `*` and `null` stand for anybody.
    #[error("{0:?} would let any site in; list the origins one by one")]
    Anybody(String),
    /// It has not the form `https://host` or `https://host:port`.
    #[error(
        "{0:?} is not an origin; write it as https://app.example or http://localhost:3000, without a path, and a name that is not ASCII in its xn-- form"
    )]
    Form(String),
}

/// The headers that tell where a request comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossSite<'a> {
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// There is more than one `Origin` header.
    pub more_origins: bool,
    /// `Sec-Fetch-Site`.
    pub sec_fetch_site: Option<&'a str>,
    /// `Host`, or what a trusted proxy says that it was.
    pub host: Option<&'a str>,
    /// Whether the browser speaks TLS, where a trusted proxy says so; else that is not known: TLS may end in front of us.
    pub secure: Option<bool>,
}

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// This very origin, or no browser at all.
    Same,
    /// A listed origin, as the browser wrote it.
    Listed(String),
    /// Anywhere else.
    Foreign,
}

impl AllowedOrigins {
    /// A list of origins such as `https://app.example` or `http://localhost:3000`.
    ///
    /// # Errors
    /// The first text that is no origin.
    pub fn parse<S: AsRef<str>>(origins: impl IntoIterator<Item = S>) -> Result<Self, OriginError> {
        let origins = origins.into_iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>()?;
        Ok(Self { origins })
    }

    /// Whether none is listed.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Those that are listed.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.origins.iter()
    }

    /// Judges a request. `Origin` and `Sec-Fetch-Site`, as far as they are there, must both say same-origin; else the
    /// origin must be listed. The scheme is compared with our own where that is known.
    pub fn judge(&self, head: &CrossSite<'_>) -> Site {
        let fetch_same = head.sec_fetch_site.is_none_or(|site| matches!(site, "same-origin" | "none"));
        let Some(text) = head.origin else {
            return if fetch_same { Site::Same } else { Site::Foreign };
        };
        let Some(origin) = Origin::read(text).filter(|_| !head.more_origins) else {
            return Site::Foreign;
        };
        if self.origins.contains(&origin) {
            return Site::Listed(text.to_owned());
        }
        let host = head.host.and_then(|host| normal_authority(&origin.scheme, host));
        let same_scheme = head.secure.is_none_or(|secure| secure == (origin.scheme == "https"));
        let same = same_scheme && host.as_ref() == Some(&origin.authority);
        if fetch_same && same { Site::Same } else { Site::Foreign }
    }

    /// Judges a request for a page in a frame, by what it says of the page around: a browser sends no `Origin` with it, so what the
    /// page around says that it is stands for that. Whoever it is, messages are handed to a page of that origin alone.
    pub fn judge_frame(&self, head: &CrossSite<'_>, parent: &str) -> Site {
        let by_parent = self.judge(&CrossSite { origin: Some(parent), more_origins: false, ..*head });
        let by_origin = head.origin.map_or(Site::Same, |_| self.judge(head));
        if by_origin == Site::Foreign { Site::Foreign } else { by_parent }
    }
}

/// What a listed origin needs to read a response with its cookies.
pub fn cors_headers(origin: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Access-Control-Allow-Origin", origin.to_owned()),
        ("Access-Control-Allow-Credentials", "true".to_owned()),
        ("Vary", "Origin".to_owned()),
    ]
}

/// The answer to a listed origin's preflight.
pub fn preflight_headers(origin: &str) -> Vec<(&'static str, String)> {
    let mut headers = cors_headers(origin);
    headers.extend([
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS".to_owned()),
        ("Access-Control-Allow-Headers", "Content-Type, Pragma, X-Requested-With, Authorization".to_owned()),
        ("Access-Control-Max-Age", "600".to_owned()),
    ]);
    headers
}

impl Origin {
    /// Reads an `Origin` header: scheme, `://`, host, optional port, nothing else.
    fn read(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return None;
        }
        let authority = normal_authority(&scheme, authority)?;
        Some(Self { scheme, authority })
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let text = text.trim();
        if text == "null" || text.contains('*') {
            return Err(OriginError::Anybody(text.to_owned()));
        }
        Self::read(text).ok_or_else(|| OriginError::Form(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Whether a text is a host, perhaps with a port.
pub(super) fn is_authority(text: &str) -> bool {
    normal_authority("http", text).is_some()
}

/// Host and port as browsers write them, without the scheme's default port; `None` for what is no host and port.
fn normal_authority(scheme: &str, authority: &str) -> Option<String> {
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => (&authority[..colon], Some(&authority[colon + 1..])),
        _ => (authority, None),
    };
    let mut normal = normal_host(host)?;
    if let Some(port) = port.map(read_port) {
        let port = port?;
        if port != if scheme == "https" { 443 } else { 80 } {
            normal.push_str(&format!(":{port}"));
        }
    }
    Some(normal)
}

/// A name in lower case, or an IPv6 address in its one shortest form.
fn normal_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!host.is_empty() && host.bytes().all(name)).then(|| host.to_ascii_lowercase())
}

/// Digits alone, and no zero in front: one port, one spelling.
fn read_port(port: &str) -> Option<u16> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|_| digits && !port.starts_with('0'))
}

#[cfg(test)]
mod tests;
