//! The cookie that ties sessions to a browser.

use hyper::HeaderMap;
use hyper::header::COOKIE;

const NAME: &str = "BAYEUX_BROWSER";
const LENGTH: usize = 32;

/// A browser, by its cookie.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    /// The value of the cookie.
    pub(crate) id: String,
    /// Whether the browser does not have it yet.
    pub(crate) is_new: bool,
}

impl Browser {
    /// The browser that sent these fields.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
        let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        match pairs.find(|(name, value)| *name == NAME && value.len() == LENGTH) {
            Some((_, id)) => Self { id: id.to_owned(), is_new: false },
            None => Self { id: random_text(LENGTH), is_new: true },
        }
    }

    /// The value of a `Set-Cookie` field that gives the cookie to it.
    pub(crate) fn set_cookie(&self) -> String {
        format!("{NAME}={}; Path=/; HttpOnly; SameSite=Lax", self.id)
    }
}

/// Letters and digits by chance.
pub(crate) fn random_text(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}
