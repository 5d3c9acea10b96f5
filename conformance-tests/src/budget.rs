//! How long to wait: derived from what the peer advises and how fast it answers, never a fixed number of seconds.

use std::time::Duration;

/// How much earlier than another moment is clearly before it, on any machine.
const CLEARLY: Duration = Duration::from_millis(100);

/// What is known of the peer's times.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// `T`: how long the peer holds a connect, as its advice says.
    pub timeout: Duration,
    /// `I`: how long a client waits between connects, as the advice says.
    pub interval: Duration,
    /// `X`: how long a session without a connect lives, if it is known.
    pub expiry: Option<Duration>,
    /// What one exchange may take before it counts as unanswered.
    pub answer: Duration,
    /// The longest that an answer took when nothing else was asked.
    pub slowest: Duration,
    /// Multiplies whatever is waited for at most; for slow machines.
    pub scale: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            interval: Duration::ZERO,
            expiry: None,
            answer: Duration::from_secs(5),
            slowest: Duration::ZERO,
            scale: 1.0,
        }
    }
}

impl Budget {
    /// The longest that a plain answer may take.
    pub fn answer(&self) -> Duration {
        self.answer.mul_f64(self.scale)
    }

    /// The longest that an event may take to a client that waits this long between its connects: it may come with the connect that
    /// follows.
    pub fn delivery(&self, interval: Duration) -> Duration {
        self.answer() + self.interval.max(interval)
    }

    /// Whether an answer that waited for the whole timeout can be told from one that came by this time.
    pub fn tells_apart(&self, bound: Duration) -> bool {
        self.timeout.saturating_sub(bound) >= (self.slowest * 3).max(CLEARLY)
    }

    /// The longest that a held connect may take: its timeout, a quarter of that at least a second, and an answer.
    pub fn held(&self) -> Duration {
        self.timeout + (self.timeout / 4).max(Duration::from_secs(1)) + self.answer()
    }

    /// A time as cases write it: terms joined by `+` or `-`, each a number and a unit: `T`, `I`, `X`, `answer`, `s`, `ms`.
    /// `0.9T`, `X+1s`.
    pub fn time(&self, text: &str) -> Result<Duration, String> {
        let wrong = || format!("{text:?} is no time: it is a sum of numbers with the units T, I, X, answer, s, ms");
        let mut total = 0.0;
        for term in text.replace('-', "+-").split('+').filter(|term| !term.is_empty()) {
            let unit = term.find(|letter: char| letter.is_ascii_alphabetic()).ok_or_else(wrong)?;
            let factor: f64 = match &term[..unit] {
                "" => 1.0,
                "-" => -1.0,
                number => number.parse().map_err(|_| wrong())?,
            };
            total += factor
                * match &term[unit..] {
                    "T" => self.timeout.as_secs_f64(),
                    "I" => self.interval.as_secs_f64(),
                    "X" => self.expiry.ok_or("the peer's session expiry is not known")?.as_secs_f64(),
                    "answer" => self.answer().as_secs_f64(),
                    "s" => 1.0,
                    "ms" => 0.001,
                    _ => return Err(wrong()),
                };
        }
        Ok(Duration::from_secs_f64(total.max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sums_in_units_of_the_peer() {
        let budget =
            Budget { timeout: Duration::from_secs(4), expiry: Some(Duration::from_secs(3)), ..Budget::default() };
        assert_eq!(budget.time("0.9T").expect("fine"), Duration::from_millis(3600));
        assert_eq!(budget.time("X+1s").expect("fine"), Duration::from_secs(4));
        assert_eq!(budget.time("T-500ms").expect("fine"), Duration::from_millis(3500));
        assert!(budget.time("3 days").is_err());
        assert!(Budget::default().time("X").is_err());
    }

    #[test]
    fn an_event_may_wait_for_the_connect_after_the_interval() {
        let budget = Budget { interval: Duration::from_secs(7), ..Budget::default() };
        assert_eq!(budget.delivery(Duration::ZERO), Duration::from_secs(12));
        assert_eq!(budget.delivery(Duration::from_secs(9)), Duration::from_secs(14));
    }

    #[test]
    fn a_timeout_that_is_hardly_longer_than_an_answer_tells_nothing() {
        let ms = Duration::from_millis;
        let tells = |timeout, slowest| {
            let budget = Budget { timeout: ms(timeout), slowest: ms(slowest), ..Budget::default() };
            budget.tells_apart(ms(timeout).mul_f64(0.8))
        };
        assert!(tells(2000, 5) && tells(1000, 60));
        assert!(!tells(1000, 70) && !tells(400, 5) && !tells(0, 0));
    }
}
