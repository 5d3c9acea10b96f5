//! `ClientId`: what names a session on the wire. It carries the session's slot, so any node finds its shard without a map.

use std::fmt;

use rand_core::Rng;

/// Slots that sessions are spread over. A session's slot never changes; which shard serves a slot may.
pub(crate) const SLOTS: u16 = 4096;
const SLOT_DIGITS: usize = 3;
/// 31 digits of base 36 are 160.2 random bits (BX-CID-2 asks for 128).
const RANDOM_DIGITS: usize = 31;
const LENGTH: usize = SLOT_DIGITS + RANDOM_DIGITS;
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The wire id of a session: 34 lower-case base 36 digits, of which 3 are the slot and 31 random (BX-CID-1, BX-CID-2,
/// BX-CID-5).
///
/// Whoever knows it may be half-way to the session, so neither `Debug` nor a log shows it (BX-FLD-3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId([u8; LENGTH]);

impl ClientId {
    pub(crate) fn random(slot: u16, rng: &mut impl Rng) -> Self {
        let mut text = [b'0'; LENGTH];
        let mut rest = usize::from(slot);
        for digit in text[..SLOT_DIGITS].iter_mut().rev() {
            *digit = DIGITS[rest % 36];
            rest /= 36;
        }
        for digit in &mut text[SLOT_DIGITS..] {
            *digit = random_digit(rng);
        }
        Self(text)
    }

    /// Reads an id as a peer sent it; `None` for whatever this server can't have made.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(text.as_bytes().try_into().ok()?);
        let well_formed = id.0.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'));
        (well_formed && id.slot() < SLOTS).then_some(id)
    }

    /// The text as it travels.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is made of ASCII digits only")
    }

    /// The slot in 0..4096.
    pub(crate) fn slot(&self) -> u16 {
        self.0[..SLOT_DIGITS].iter().fold(0, |sum, byte| sum * 36 + u16::from(digit_value(*byte)))
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId(slot {})", self.slot())
    }
}

const fn digit_value(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'z' => byte - b'a' + 10,
        _ => 0,
    }
}

/// A digit without bias: bytes from 252 up are thrown away, since 252 is the last multiple of 36.
fn random_digit(rng: &mut impl Rng) -> u8 {
    loop {
        let byte = rng.next_u32().to_le_bytes()[0];
        if byte < 252 {
            return DIGITS[usize::from(byte % 36)];
        }
    }
}
