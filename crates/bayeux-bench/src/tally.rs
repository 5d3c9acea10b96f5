//! What a subscriber has received: what is missing, what came twice, what came late.

/// The deliveries of one subscriber, which are numbered from 0 in its room.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    next: u64,
    /// Numbers below `next` that have not come.
    skipped: Vec<u64>,
}

/// What one delivery was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one, or one further ahead.
    New,
    /// One that a later one had overtaken.
    Late,
    /// One that had come before.
    Duplicate,
}

impl Tally {
    /// Notes a delivery. The caller has checked that `number` was published, which bounds what can be skipped.
    pub(crate) fn note(&mut self, number: u64) -> Arrival {
        if number >= self.next {
            self.skipped.extend(self.next..number);
            self.next = number + 1;
            return Arrival::New;
        }
        match self.skipped.iter().position(|skipped| *skipped == number) {
            Some(at) => {
                self.skipped.swap_remove(at);
                Arrival::Late
            }
            None => Arrival::Duplicate,
        }
    }

    /// How many of the first `published` have not come.
    pub(crate) fn missing(&self, published: u64) -> u64 {
        published.saturating_sub(self.next) + self.skipped.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_and_once_leaves_nothing_missing() {
        let mut tally = Tally::default();
        for number in 0..5 {
            assert_eq!(tally.note(number), Arrival::New);
        }
        assert_eq!(tally.missing(5), 0);
        assert_eq!(tally.missing(7), 2);
    }

    #[test]
    fn a_gap_is_missing_until_it_is_filled_and_then_late() {
        let mut tally = Tally::default();
        tally.note(0);
        assert_eq!(tally.note(3), Arrival::New);
        assert_eq!(tally.missing(4), 2);
        assert_eq!(tally.note(1), Arrival::Late);
        assert_eq!(tally.missing(4), 1);
        assert_eq!(tally.note(1), Arrival::Duplicate);
        assert_eq!(tally.note(3), Arrival::Duplicate);
        assert_eq!(tally.missing(4), 1);
    }
}
