//! A small Bayeux server, correct unless it is told to have a defect: the conformance suite is tested by it.

mod body;
mod channel;
mod connect;
mod cookie;
mod defect;
mod delivery;
mod framing;
mod http;
mod message;
mod meta;
mod session;
mod stream;
mod websocket;
mod world;

use bayeux_mutants::print;
use clap::Parser;
use defect::Defect;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use world::World;

/// A Bayeux server with a defect to choose; without one it is correct
#[derive(Parser)]
#[command(name = "bayeux-mutant-server", max_term_width = 120)]
struct Args {
    /// Where to listen; the endpoint is /bayeux, and its URL is printed
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What is to be wrong
    #[arg(long, value_name = "NAME", value_parser = |name: &str| bayeux_mutants::find(defect::ALL, name))]
    defect: Option<Defect>,
    /// How long a connect is held, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    timeout: u64,
    /// How long a session lives without a connect, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 4000)]
    max_interval: u64,
    /// Print the defects and the cases that must find them
    #[arg(long)]
    list: bool,
    /// The list as JSON
    #[arg(long, requires = "list")]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    if args.list {
        print(&bayeux_mutants::list(defect::SMOKE, defect::ALL, args.json));
        return Ok(());
    }
    let times = [args.timeout, args.max_interval].map(Duration::from_millis);
    let world = Arc::new(World::new(args.defect, times[0], times[1]));
    let listener = TcpListener::bind(args.listen).await?;
    print(&format!("http://{}/bayeux\n", listener.local_addr()?));
    tokio::spawn(world::sweep(world.clone()));
    loop {
        let place = world.places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let world = world.clone();
        tokio::spawn(async move {
            let answered = Arc::<Mutex<http::Answered>>::default();
            let service = service_fn(move |request| http::serve(world.clone(), answered.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off is no concern of ours.
            let _ = connection.with_upgrades().await;
            drop(place);
        });
    }
}
