//! `Clause`: one numbered requirement of the specification, and what is said of it beside its text.

use std::fmt;

use sha2::{Digest, Sha256};

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) id: ClauseId,
    pub(crate) title: String,
    pub(crate) level: Level,
    pub(crate) role: Role,
    pub(crate) origin: Origin,
    /// Security and limits: not needed in order to understand one another.
    pub(crate) hardened: bool,
    pub(crate) status: Status,
    /// Why there can be no case about it, though code keeps it.
    pub(crate) no_case: Option<String>,
    /// The requirement, in one line.
    pub(crate) text: String,
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// `BX-HS-8`. Ordered by area, then by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClauseId {
    area: String,
    number: u32,
}

/// How much a clause binds. Ordered: `May` is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    May,
    Should,
    Must,
}

/// Whom it binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
    Both,
}

/// Where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The published text of Bayeux 1.0.
    Published,
    /// Added here.
    Added,
}

/// Whether it is kept and tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The code keeps and cites it, and cases test it.
    Active,
    /// Not done yet.
    Planned,
    /// No case can tell, for this reason.
    Untestable(String),
    /// No longer a clause, for this reason; its id is never given again.
    Retired(String),
}

impl ClauseId {
    /// Reads `BX-HS-8`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (area, number) = text.strip_prefix("BX-")?.split_once('-')?;
        let letters = matches!(area.len(), 2 | 3) && area.bytes().all(|byte| byte.is_ascii_uppercase());
        let digits = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let number = number.parse().ok().filter(|_| digits)?;
        letters.then(|| Self { area: area.to_owned(), number })
    }

    pub(crate) fn area(&self) -> &str {
        &self.area
    }
}

impl fmt::Display for ClauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BX-{}-{}", self.area, self.number)
    }
}

impl Level {
    /// Reads `MUST`, or `must` as cases write it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "MUST" => Self::Must,
            "SHOULD" => Self::Should,
            "MAY" => Self::May,
            _ => return None,
        })
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Both => "both",
        }
    }
}

impl Origin {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Added => "added",
        }
    }
}

impl Status {
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Planned => "planned",
            Self::Untestable(_) => "untestable",
            Self::Retired(_) => "retired",
        }
    }
}

impl Clause {
    /// What tells whether the text is still the one that somebody read: the first 16 digits of its SHA-256.
    pub(crate) fn hash(&self) -> String {
        Sha256::digest(&self.text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether code and cases have to be there for it.
    pub(crate) fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    pub(crate) const fn is_retired(&self) -> bool {
        matches!(self.status, Status::Retired(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_ordered_by_number() {
        let id = |text| ClauseId::parse(text);
        for text in ["BX-HS-8", "BX-SEC-12", "BX-WS-100"] {
            assert_eq!(id(text).map(|id| id.to_string()).as_deref(), Some(text));
        }
        for text in
            ["", "BX-HS", "BX-HS-", "BX-HS-08", "BX-hs-8", "BX-H-8", "BX-HSHS-8", "BX-HS-8a", "HS-8", "BX-HS-+8"]
        {
            assert_eq!(id(text), None, "{text}");
        }
        assert!(id("BX-HS-9") < id("BX-HS-10") && id("BX-HS-10") < id("BX-LP-1"));
    }

    #[test]
    fn levels_are_ordered_by_how_much_they_bind() {
        assert!(Level::May < Level::Should && Level::Should < Level::Must);
        assert_eq!(Level::parse("should"), Some(Level::Should));
        assert_eq!(Level::parse("hard"), None);
    }
}
