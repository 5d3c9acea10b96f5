//! A small Bayeux client, correct unless it is told to have a defect: the suite's cases about clients are tested by it. It is
//! a program under test as the suite's page describes them.

mod client;
mod defect;
mod http;
mod program;
mod session;
mod websocket;

use clap::{Parser, ValueEnum};
use client::Client;
use defect::Defect;
use std::rc::Rc;
use tokio::task::LocalSet;

/// A Bayeux client with a defect to choose; without one it is correct
#[derive(Parser)]
#[command(name = "bayeux-mutant-client", max_term_width = 120)]
struct Args {
    /// The endpoint
    #[arg(required_unless_present = "list")]
    url: Option<http::Endpoint>,
    /// How to connect
    #[arg(value_enum, default_value_t = Transport::LongPolling)]
    transport: Transport,
    /// What is to be wrong
    #[arg(long, value_name = "NAME", value_parser = |name: &str| bayeux_mutants::find(defect::ALL, name))]
    defect: Option<Defect>,
    /// Print the defects and the cases that must find them
    #[arg(long)]
    list: bool,
    /// The list as JSON
    #[arg(long, requires = "list")]
    json: bool,
}

/// How a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    LongPolling,
    Websocket,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args = Args::parse();
    let Some(endpoint) = args.url else {
        return bayeux_mutants::print(&bayeux_mutants::list(defect::SMOKE, defect::ALL, args.json));
    };
    let client = Rc::new(Client::new(args.defect, endpoint, args.transport));
    let both = async { tokio::join!(session::keep(client.clone()), program::report(client)) };
    LocalSet::new().run_until(both).await;
}
