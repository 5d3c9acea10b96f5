//! What the latest advice asks for, with the client's defaults for what it leaves out.

use std::time::Duration;

use bayeux_protocol::{Advice, ConnectionType, Reconnect};

/// Servers of `hosts` beyond these are not tried.
const MAX_HOSTS: usize = 16;

/// The advice that counts: the latest, whole (BX-ADV-2).
#[derive(Debug, Default)]
pub(super) struct Current(Advice);

/// What `interval` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interval {
    /// Wait so long before the next connect.
    Wait(Duration),
    /// A negative one: do not connect (BX-ADV-8).
    Never,
}

impl Current {
    /// Lets new advice take the place of the old.
    pub(super) fn replace(&mut self, advice: Advice) {
        self.0 = advice;
    }

    /// Goes back to the client's own defaults, for a new session whose server says nothing.
    pub(super) fn forget(&mut self) {
        self.0 = Advice::default();
    }

    pub(super) fn reconnect(&self, transport: &ConnectionType) -> Reconnect {
        self.field(transport, |advice| advice.reconnect.clone()).unwrap_or(Reconnect::Retry)
    }

    pub(super) fn interval(&self, transport: &ConnectionType) -> Interval {
        match self.field(transport, |advice| advice.interval).unwrap_or(0) {
            interval if interval < 0 => Interval::Never,
            interval => Interval::Wait(Duration::from_millis(interval.unsigned_abs())),
        }
    }

    /// For how long a connect is held.
    pub(super) fn timeout(&self, transport: &ConnectionType) -> Option<Duration> {
        let timeout = self.field(transport, |advice| advice.timeout)?;
        u64::try_from(timeout).ok().map(Duration::from_millis)
    }

    /// Other servers to try, in order (BX-ADV-11).
    pub(super) fn hosts(&self) -> &[Box<str>] {
        let hosts = self.0.hosts.as_deref().unwrap_or(&[]);
        &hosts[..hosts.len().min(MAX_HOSTS)]
    }

    /// The part for this transport comes before the rest (BX-ADV-1).
    fn field<T>(&self, transport: &ConnectionType, get: impl Fn(&Advice) -> Option<T>) -> Option<T> {
        let section = self.0.transports.iter().find(|(name, _)| name == transport);
        section.and_then(|(_, advice)| get(advice)).or_else(|| get(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLLING: ConnectionType = ConnectionType::LongPolling;

    #[test]
    fn bx_adv_1_the_part_for_the_transport_comes_first_and_others_mean_nothing() {
        let mut current = Current::default();
        let section = |interval| Advice { interval: Some(interval), ..Advice::default() };
        let none = Advice { reconnect: Some(Reconnect::None), ..Advice::default() };
        current.replace(Advice {
            interval: Some(10),
            timeout: Some(30),
            transports: vec![(POLLING, section(20)), (ConnectionType::WebSocket, none)],
            ..Advice::default()
        });
        assert_eq!(current.interval(&POLLING), Interval::Wait(Duration::from_millis(20)));
        assert_eq!(current.timeout(&POLLING), Some(Duration::from_millis(30)));
        assert_eq!(current.interval(&ConnectionType::WebSocket), Interval::Wait(Duration::from_millis(10)));
        assert_eq!(current.reconnect(&POLLING), Reconnect::Retry);
        assert_eq!(current.reconnect(&ConnectionType::WebSocket), Reconnect::None);
    }

    #[test]
    fn bx_adv_2_new_advice_takes_the_place_of_the_old_as_a_whole() {
        let mut current = Current::default();
        current.replace(Advice { interval: Some(5), reconnect: Some(Reconnect::Handshake), ..Advice::default() });
        current.replace(Advice { timeout: Some(7), ..Advice::default() });
        assert_eq!(current.interval(&POLLING), Interval::Wait(Duration::ZERO));
        assert_eq!(current.reconnect(&POLLING), Reconnect::Retry);
        assert_eq!(current.timeout(&POLLING), Some(Duration::from_millis(7)));
    }

    #[test]
    fn bx_adv_8_a_negative_interval_is_no_time() {
        let mut current = Current::default();
        current.replace(Advice { interval: Some(-1), ..Advice::default() });
        assert_eq!(current.interval(&POLLING), Interval::Never);
    }
}
