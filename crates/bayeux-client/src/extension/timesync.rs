//! `timesync`: how far the server's clock is from this one, by what they tell each other with meta messages (BX-EXT-3).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bayeux_protocol::Message;
use serde::Deserialize;
use serde_json::json;

use super::{Extension, get_ext, set_ext};

/// So many exchanges count; the mean of them evens out what the network does to each.
const SAMPLES: usize = 10;

/// Knows the time of the server. Clones share what they know: one is given to the builder, another is asked.
///
/// ```no_run
/// # async fn f() -> Result<(), bayeux_client::Error> {
/// use bayeux_client::{Client, TimeSync};
///
/// let clock = TimeSync::default();
/// let client = Client::builder("http://localhost:8080/cometd").extension(clock.clone()).connect().await?;
/// println!("the server's clock is {:?} ms ahead", clock.offset());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TimeSync {
    samples: Arc<Mutex<VecDeque<Sample>>>,
    /// Milliseconds since 1970.
    clock: fn() -> i64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    lag: i64,
    offset: i64,
}

/// What the server says, in milliseconds: our time, its time, and how long it took to answer.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Told {
    tc: f64,
    ts: f64,
    #[serde(default)]
    p: f64,
}

impl Default for TimeSync {
    fn default() -> Self {
        Self { samples: Arc::default(), clock: now }
    }
}

impl TimeSync {
    /// How many milliseconds the server's clock is ahead of this one; `None` as long as it has not said.
    pub fn offset(&self) -> Option<i64> {
        self.mean(|sample| sample.offset)
    }

    /// How long a message is on its way to the server, about.
    pub fn lag(&self) -> Option<Duration> {
        self.mean(|sample| sample.lag).map(|lag| Duration::from_millis(lag.max(0).unsigned_abs()))
    }

    /// The time of the server: this clock's, as long as it has not said.
    pub fn server_time(&self) -> SystemTime {
        let millis = (self.clock)().saturating_add(self.offset().unwrap_or(0));
        UNIX_EPOCH + Duration::from_millis(millis.max(0).unsigned_abs())
    }

    fn mean(&self, of: impl Fn(&Sample) -> i64) -> Option<i64> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let count = i64::try_from(samples.len()).ok().filter(|count| *count > 0)?;
        Some(samples.iter().map(of).sum::<i64>() / count)
    }
}

impl Extension for TimeSync {
    fn outgoing(&mut self, message: &mut Message) {
        if is_meta(message) {
            let (lag, offset) = (self.mean(|it| it.lag).unwrap_or(0), self.offset().unwrap_or(0));
            set_ext(message, "timesync", &json!({"tc": (self.clock)(), "l": lag, "o": offset}));
        }
    }

    fn incoming(&mut self, message: &mut Message) {
        if !is_meta(message) || message.successful.is_none() {
            return;
        }
        let told = get_ext(message, "timesync").and_then(|told| serde_json::from_value::<Told>(told).ok());
        let Some(told) = told else { return };
        // What is no time at all would spoil the mean.
        let sane = |millis: f64| (millis.abs() < 1e14).then_some(millis as i64);
        let (Some(sent), Some(server), Some(taken)) = (sane(told.tc), sane(told.ts), sane(told.p)) else { return };
        let lag = ((self.clock)() - sent - taken) / 2;
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(Sample { lag, offset: server - sent - lag });
    }
}

fn is_meta(message: &Message) -> bool {
    message.channel.as_deref().is_some_and(|channel| channel.starts_with("/meta/"))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bayeux_protocol::{DecodeLimits, decode_batch};

    use super::*;

    fn message(text: &str) -> Message {
        decode_batch(text.as_bytes(), &DecodeLimits::default()).expect("it is a batch").remove(0)
    }

    fn reply(ext: &str) -> Message {
        message(&format!(r#"{{"channel":"/meta/connect","successful":true,"ext":{{"timesync":{ext}}}}}"#))
    }

    #[test]
    fn lag_and_offset_are_the_mean_of_what_the_server_said() {
        let mut sync = TimeSync { clock: || 1_000_000, ..TimeSync::default() };
        let mut connect = message(r#"{"channel":"/meta/connect"}"#);
        sync.outgoing(&mut connect);
        assert_eq!(connect.ext.expect("it asks").as_str(), r#"{"timesync":{"l":0,"o":0,"tc":1000000}}"#);
        assert_eq!((sync.offset(), sync.lag()), (None, None));
        // Sent 100 ms ago, of which the server took 60: 20 each way, and its clock is 500 ahead.
        sync.incoming(&mut reply(r#"{"tc":999900,"ts":1000420,"p":60,"a":-1}"#));
        assert_eq!((sync.offset(), sync.lag()), (Some(500), Some(Duration::from_millis(20))));
        sync.incoming(&mut reply(r#"{"tc":999900,"ts":1000350}"#));
        assert_eq!((sync.offset(), sync.lag()), (Some(450), Some(Duration::from_millis(35))));
        assert_eq!(sync.server_time(), UNIX_EPOCH + Duration::from_millis(1_000_450));
        let mut next = message(r#"{"channel":"/meta/connect"}"#);
        sync.clone().outgoing(&mut next);
        assert_eq!(next.ext.expect("it tells").as_str(), r#"{"timesync":{"l":35,"o":450,"tc":1000000}}"#);
        for _ in 0..SAMPLES {
            sync.incoming(&mut reply(r#"{"tc":1000000,"ts":1000007,"p":0}"#));
        }
        assert_eq!(sync.offset(), Some(7), "the oldest are forgotten");
    }

    #[test]
    fn what_is_no_time_means_nothing() {
        let mut sync = TimeSync { clock: || 0, ..TimeSync::default() };
        for ext in ["null", "1", "{}", r#"{"tc":"x","ts":1}"#, r#"{"tc":1e300,"ts":1}"#, r#"{"tc":1}"#] {
            sync.incoming(&mut reply(ext));
        }
        sync.incoming(&mut message(r#"{"channel":"/a","data":1,"ext":{"timesync":{"tc":0,"ts":9}}}"#));
        let mut publish = message(r#"{"channel":"/a","data":1}"#);
        sync.outgoing(&mut publish);
        assert_eq!((sync.offset(), publish.ext), (None, None));
    }
}
