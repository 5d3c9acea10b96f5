//! `StartError`: why a server could not be built.

/// Why [`Bayeux::new`](crate::Bayeux::new) failed. All of it is the operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// `browser_cookie_name` is no cookie name.
    #[error("browser_cookie_name {0:?} is not a cookie name: use letters, digits, `-` and `_`")]
    CookieName(String),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Randomness(String),
}
