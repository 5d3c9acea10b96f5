//! What a server says at its end that it counted.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counters by name; what is not there is zero.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counted(BTreeMap<String, u64>);

impl Counted {
    /// Reads the last line of `log` that tells counters, as in `counted: sessions_opened=2 requests=7`.
    pub(crate) fn parse(log: &str) -> Option<Self> {
        let (_, counters) = log.lines().rev().find_map(|line| line.split_once("counted: "))?;
        let counters = counters.split_ascii_whitespace().map(|counter| {
            let (name, count) = counter.split_once('=')?;
            Some((name.to_owned(), count.parse().ok()?))
        });
        counters.collect::<Option<_>>().map(Self)
    }

    pub(crate) fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Those of `names` that are not zero, in this order, as in `2 sessions_opened, 7 requests`.
    pub(crate) fn told(&self, names: &[&str]) -> String {
        let told = names.iter().filter(|name| self.of(name) > 0).map(|name| format!("{} {name}", self.of(name)));
        let told: Vec<String> = told.collect();
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_counters_of_a_log_are_read() {
        let log = "INFO counted: a=1\nWARN x\nINFO bayeux: counted: sessions_opened=2 requests=7\nINFO end\n";
        let counted = Counted::parse(log).expect("counters");
        assert_eq!((counted.of("sessions_opened"), counted.of("requests"), counted.of("a")), (2, 7, 0));
        assert_eq!(counted.told(&["requests", "a", "sessions_opened"]), "7 requests, 2 sessions_opened");
        assert_eq!(counted.told(&["a"]), "none");
        assert_eq!(Counted::parse("counted: "), Some(Counted::default()));
        assert_eq!((Counted::parse("nothing"), Counted::parse("counted: x=y")), (None, None));
    }
}
