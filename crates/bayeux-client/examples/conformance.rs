//! The program under test of the conformance suite, for this client: `conformance URL [long-polling|websocket]`.
//!
//! It carries out the commands on `/conformance/do`, and reports on `/conformance/told` what became of them and what its
//! subscriptions saw, in order, again until one report is accepted. See conformance-tests/README.md.

use std::{collections::HashMap, time::Duration};

use bayeux_client::{Client, Json, Subscription, Transports};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

/// What the suite wants to be done.
#[derive(Debug, Deserialize)]
struct Command {
    n: u64,
    subscribe: Option<String>,
    #[serde(default)]
    fails: bool,
    unsubscribe: Option<String>,
    publish: Option<(String, Value)>,
    #[serde(default)]
    disconnect: bool,
}

/// What is reported: `got` before its `seq` is known.
type Reports = mpsc::UnboundedSender<Value>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("usage: conformance URL [long-polling|websocket]")?;
    if url == "--version" {
        #[expect(clippy::print_stdout, reason = "it is asked for")]
        {
            println!("bayeux-client {}", env!("CARGO_PKG_VERSION"));
        }
        return Ok(());
    }
    let transports = match args.next().as_deref() {
        Some("websocket") => Transports::WebSocketFirst,
        _ => Transports::LongPolling,
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(&url, transports))
}

async fn run(url: &str, transports: Transports) -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder(url)
        .transports(transports)
        .acknowledge(true)
        // The suite wants a request to be given up a few seconds after its time, and another attempt after a second or so.
        .request_timeout(Duration::from_secs(4))
        .backoff(Duration::from_millis(250), Duration::from_secs(1))
        .start()?;
    let (reports, waiting) = mpsc::unbounded_channel();
    tokio::spawn(report(client.clone(), waiting));
    let mut subscriptions = HashMap::new();
    let mut commands = client.subscribe("/conformance/do").await?;
    while let Some(command) = commands.next().await {
        let Ok(command) = command else { continue };
        let Ok(command) = command.parse::<Command>() else { continue };
        carry_out(&client, command, &mut subscriptions, &reports);
    }
    // It stays until it is ended, so that the suite sees whether it is quiet.
    std::future::pending().await
}

/// Does it in a task of its own: commands do not wait for each other.
fn carry_out(
    client: &Client,
    command: Command,
    subscriptions: &mut HashMap<String, oneshot::Sender<oneshot::Sender<bool>>>,
    reports: &Reports,
) {
    let Command { n, subscribe, fails, unsubscribe, publish, disconnect } = command;
    let end = unsubscribe.and_then(|channel| subscriptions.remove(&channel));
    let begin = subscribe.map(|channel| {
        let (end, ended) = oneshot::channel();
        subscriptions.insert(channel.clone(), end);
        (channel, ended)
    });
    let (client, reports) = (client.clone(), reports.clone());
    tokio::spawn(async move {
        let mut ok = true;
        if let Some((channel, ended)) = begin {
            match client.subscribe(&channel).await {
                Ok(subscription) => drop(tokio::spawn(read(subscription, fails, ended, reports.clone()))),
                Err(_) => ok = false,
            }
        }
        if let Some(end) = end {
            let (done, outcome) = oneshot::channel();
            ok &= end.send(done).is_ok() && outcome.await.unwrap_or(false);
        }
        if let Some((channel, data)) = publish {
            ok &= client.publish(&channel, &data).await.is_ok();
        }
        if disconnect {
            return drop(client.disconnect().await);
        }
        // Nobody reports any more once it has ended.
        let _ = reports.send(json!({"n": n, "ok": ok}));
    });
}

/// A handler: reports what it sees, and fails then if it is to.
async fn read(
    mut subscription: Subscription,
    fails: bool,
    mut ended: oneshot::Receiver<oneshot::Sender<bool>>,
    reports: Reports,
) {
    loop {
        tokio::select! {
            biased;
            end = &mut ended => {
                if let Ok(done) = end {
                    // The suite may have ended us meanwhile.
                    let _ = done.send(subscription.unsubscribe().await.is_ok());
                }
                return;
            }
            message = subscription.next() => match message {
                Some(Ok(message)) => {
                    let Ok(data) = message.parse::<Value>() else { continue };
                    let _ = reports.send(json!({"got": [message.channel.as_str(), data]}));
                    if fails {
                        // What fails is the handling of one message, in a task as an application would have it.
                        let failed = tokio::spawn(async { panic!("this handler fails") }).await;
                        debug_assert!(failed.is_err());
                    }
                }
                Some(Err(interruption)) if !interruption.is_end() => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}

async fn report(client: Client, mut waiting: mpsc::UnboundedReceiver<Value>) {
    let mut seq = 0;
    let mut reports: Vec<Value> = Vec::new();
    while let Some(report) = waiting.recv().await {
        reports.push(report);
        while let Ok(report) = waiting.try_recv() {
            reports.push(report);
        }
        for report in &mut reports {
            seq += 1;
            report["seq"] = seq.into();
        }
        let Ok(list) = Json::from_serialize(&reports) else { return };
        while client.publish_json("/conformance/told", list.clone()).await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
        reports.clear();
    }
}
