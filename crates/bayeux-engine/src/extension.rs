//! `Extension`: how a session learns what it did not get. By `ack`, deliveries are kept until the client names their number
//! (BX-ACK-1 to 6); by `gap`, it is told how many were handed over and did not arrive. Neither without being asked for, and each as
//! announced (BX-EXT-2).

use std::collections::VecDeque;

use bayeux_protocol::{Ext, ExtValue};

use crate::{inbox::Position, link::GapAsked, memory::NUMBER_BYTES};

/// Each connection that a client comes with gets what waits again, under new numbers. Those of so many connections are remembered: a
/// client may name what it has read on one while others, that came late, were sent the same in vain.
const CONNECTIONS: usize = 4;
/// Numbers remembered besides: replies without new messages.
const SPARE_NUMBERS: usize = 8;

#[derive(Clone, Debug, Default)]
pub(crate) enum Extension {
    #[default]
    None,
    Ack(Box<Acks>),
    /// Deliveries handed over so far.
    Gap(u64),
}

/// The numbers of replies, and what each of them carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acks {
    /// The last number given.
    pub(crate) last: u64,
    /// From a number on, replies carried everything through this position; `None`: nothing. The oldest first.
    pub(crate) sent: VecDeque<(u64, Option<Position>)>,
    /// The last position that any of them carried.
    pub(crate) furthest: Position,
}

impl Extension {
    /// What a handshake asks for (BX-ACK-1, BX-GAP-1). Who has `ack` needs no `gap`.
    pub(crate) fn asked(ext: Ext) -> Self {
        match (ext.ack, ext.gap) {
            (Some(ExtValue::Wanted(true)), _) => Self::Ack(Box::default()),
            (_, Some(ExtValue::Wanted(true))) => Self::Gap(0),
            _ => Self::None,
        }
    }

    /// The handshake reply's `ext`.
    pub(crate) const fn granted(&self) -> Option<&'static [u8]> {
        match self {
            Self::None => None,
            Self::Ack(_) => Some(br#"{"ack":true}"#),
            Self::Gap(_) => Some(br#"{"gap":true}"#),
        }
    }

    /// What it takes besides the session itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::None | Self::Gap(_) => 0,
            Self::Ack(acks) => size_of::<Acks>() + acks.sent.len() * NUMBER_BYTES,
        }
    }

    pub(crate) const fn has_acks(&self) -> bool {
        matches!(self, Self::Ack(_))
    }

    /// How many deliveries are missing at a client that has received so many.
    pub(crate) const fn missing(&self, asked: GapAsked) -> Option<u64> {
        match (self, asked) {
            (Self::Gap(handed_over), GapAsked::Received(received)) => Some(handed_over.saturating_sub(received)),
            _ => None,
        }
    }

    /// So many deliveries were handed over, for good.
    pub(crate) const fn handed_over(&mut self, deliveries: usize) {
        if let Self::Gap(handed_over) = self {
            *handed_over += deliveries as u64;
        }
    }
}

impl Acks {
    /// The number of the next reply (BX-ACK-2), which carries everything through this position; of messages that wait there are so many.
    pub(crate) fn number(&mut self, through: Option<Position>, waiting: usize) -> u64 {
        self.last += 1;
        self.furthest = self.furthest.max(through.unwrap_or_default());
        if self.sent.back().is_none_or(|(_, last)| *last != through) {
            self.sent.push_back((self.last, through));
        }
        // An acknowledgement of what is forgotten frees nothing.
        while self.sent.len() > CONNECTIONS * waiting + SPARE_NUMBERS {
            self.sent.pop_front();
        }
        self.last
    }

    /// Whether something was sent that the client has not acknowledged.
    pub(crate) fn is_owed(&self) -> bool {
        self.sent.iter().any(|(_, through)| through.is_some())
    }

    /// The client has read the reply of this number to its end: what that carried can go. A number above the last is taken for
    /// the last (BX-ACK-7).
    pub(crate) fn acknowledged(&mut self, number: u64) -> Option<Position> {
        let mut through = None;
        while let Some((_, carried)) = self.sent.pop_front_if(|(first, _)| *first <= number) {
            through = carried;
        }
        through
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(number: u64) -> Option<Position> {
        Some(Position(number))
    }

    #[test]
    fn a_reply_that_carried_less_frees_no_more_than_it_carried() {
        let mut acks = Acks::default();
        assert_eq!(acks.number(position(10), 9), 1);
        assert_eq!(acks.number(position(5), 9), 2, "the connection is slow: it gets less");
        assert_eq!(acks.acknowledged(2), position(5));
        assert_eq!(acks.acknowledged(1), None, "it is over");
    }

    #[test]
    fn a_reply_that_carried_nothing_frees_nothing_of_an_earlier_one() {
        let mut acks = Acks::default();
        assert_eq!(acks.number(position(10), 9), 1);
        assert_eq!(acks.number(None, 9), 2);
        assert_eq!(acks.number(None, 9), 3);
        assert_eq!(acks.acknowledged(3), None);
    }

    #[test]
    fn what_is_sent_again_keeps_its_first_number_and_any_frees_it() {
        let mut acks = Acks::default();
        assert_eq!([acks.number(position(3), 3), acks.number(position(3), 3), acks.number(position(4), 4)], [1, 2, 3]);
        assert_eq!(acks.furthest, Position(4));
        assert_eq!(acks.acknowledged(2), position(3));
        assert_eq!(acks.acknowledged(u64::MAX), position(4));
    }

    #[test]
    fn what_was_read_is_freed_though_others_were_sent_the_same_since() {
        let mut acks = Acks::default();
        let mut send = |connection: u64| {
            acks.number(None, 40);
            let last = (1..=40).map(|message| acks.number(position(message), 40)).max();
            assert_eq!(last, Some(connection * 41));
        };
        (1..=3).for_each(&mut send);
        assert_eq!(acks.acknowledged(41), position(40), "it has read the first");
    }

    #[test]
    fn the_numbers_of_one_that_never_acknowledges_are_bounded() {
        let mut acks = Acks::default();
        for number in 1..10_000 {
            assert_eq!(acks.number(position(number), 5), number);
        }
        assert_eq!(acks.sent.len(), CONNECTIONS * 5 + SPARE_NUMBERS);
        assert_eq!(acks.acknowledged(3), None, "forgotten");
    }
}
