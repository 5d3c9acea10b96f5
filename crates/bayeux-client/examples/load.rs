//! Sends a million messages through a server, and writes what comes into a file, a line for each:
//!
//! ```sh
//! cargo run --release -p bayeux-client --example load -- http://localhost:8080/bayeux messages.jsonl 1000000 websocket
//! ```
//!
//! It ends with an error if one is missing, comes twice or out of order. No more are on their way than a server keeps for a
//! reader (`bayeux serve` 1,000): faster than they are written down they are not sent.
#![expect(clippy::print_stderr, reason = "it is what people read")]

use std::{
    error::Error,
    fs::File,
    io::{BufWriter, Write},
    time::Instant,
};

use bayeux_client::{Client, Json, Subscription, Transports};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, yield_now},
};

/// Messages in a batch, and messages that are on their way.
const BATCH: u32 = 100;
const ON_THEIR_WAY: usize = 800;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(url), Some(path)) = (args.first(), args.get(1)) else {
        return Err("usage: load URL FILE [COUNT [websocket|long-polling|eventsource|xhr-streaming]]".into());
    };
    let count = args.get(2).map_or(Ok(1_000_000), |count| count.parse())?;
    let transports = match args.get(3).map(String::as_str) {
        None | Some("websocket") => Transports::WebSocketFirst,
        Some("long-polling") => Transports::LongPolling,
        Some("eventsource") => Transports::EventSource,
        Some("xhr-streaming") => Transports::XhrStreaming,
        Some(other) => return Err(format!("there is no transport {other:?}").into()),
    };
    let channel = format!("/load/{:016x}", fastrand::u64(..));
    let reader = Client::builder(url).transports(transports).connect().await?;
    let subscription = reader.subscribe(&channel).await?;
    let writer = Client::builder(url).transports(transports).connect().await?;
    let room = Semaphore::new(ON_THEIR_WAY);
    let begin = Instant::now();
    let bar = ProgressBar::new(count).with_style(ProgressStyle::with_template(
        "{wide_bar} {human_pos} of {human_len} messages, {per_sec}, {eta} left",
    )?);
    let outcome =
        tokio::try_join!(send(writer, &channel, count, &room), receive(subscription, path, count, &room, &bar),);
    bar.finish_and_clear();
    outcome?;
    reader.disconnect().await?;
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!(
        "{count} messages in {seconds:.1} s, {:.0} a second; all there, once and in order",
        count as f64 / seconds
    );
    Ok(())
}

/// Several batches are on their way at a time; the client keeps their order.
async fn send(client: Client, channel: &str, count: u64, room: &Semaphore) -> Result<(), Box<dyn Error>> {
    let mut sending = JoinSet::new();
    for first in (0..count).step_by(BATCH as usize) {
        let numbers = (first..count.min(first + u64::from(BATCH))).map(|number| Json::from_serialize(&number));
        let batch = numbers.map(|number| number.map(|number| (channel.to_owned(), number)));
        let batch = batch.collect::<Result<Vec<_>, _>>()?;
        room.acquire_many(BATCH).await?.forget();
        let client = client.clone();
        sending.spawn(async move {
            let outcomes = client.publish_batch(batch).await?;
            outcomes.into_iter().collect::<Result<Vec<()>, _>>()
        });
        // The tasks ask in the order in which they begin.
        yield_now().await;
        while let Some(outcome) = sending.try_join_next() {
            outcome??;
        }
    }
    while let Some(outcome) = sending.join_next().await {
        outcome??;
    }
    client.disconnect().await?;
    Ok(())
}

async fn receive(
    mut subscription: Subscription,
    path: &str,
    count: u64,
    room: &Semaphore,
    bar: &ProgressBar,
) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    for wanted in 0..count {
        let message = subscription.next().await.ok_or("the subscription has ended")?;
        let message = message.map_err(|interruption| interruption.to_string())?;
        let number: u64 = message.parse()?;
        if number != wanted {
            return Err(format!("message {number} came where {wanted} should have come").into());
        }
        writeln!(file, "{}", message.data.as_str())?;
        bar.inc(1);
        room.add_permits(1);
    }
    file.flush()?;
    Ok(())
}
