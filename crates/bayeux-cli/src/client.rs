//! `sub`, `pub` and `call`: a client on the command line, readable on a terminal, JSON lines in a pipe.

mod call;
mod publish;
mod subscribe;

use std::{fmt::Display, io::Write, process::ExitCode};

use bayeux_client::{ApplicationFault, Client, Error};

use crate::args::client::{Connection, Via};

pub(crate) use call::call;
pub(crate) use publish::publish;
pub(crate) use subscribe::subscribe;

/// The exit code where the server or the network did not do what was asked for.
const FAILED: u8 = 1;

/// Connects as the command line says.
async fn connect(connection: &Connection) -> Result<Client, Error> {
    let builder = Client::builder(&connection.url)
        .transports(match connection.transport {
            Via::Any => bayeux_client::Transports::MoveUp,
            Via::Websocket => bayeux_client::Transports::WebSocketFirst,
            Via::LongPolling => bayeux_client::Transports::LongPolling,
            Via::Eventsource => bayeux_client::Transports::EventSource,
            Via::XhrStreaming => bayeux_client::Transports::XhrStreaming,
        })
        .acknowledge(connection.ack)
        .roots(connection.ca_cert.clone().unwrap_or_default())
        .connect_timeout(connection.connect_timeout);
    let builder = connection.header.iter().fold(builder, |builder, (name, value)| builder.header(name, value));
    builder.connect().await
}

/// What went wrong, for people; what the application did wrong is a wrong command line.
fn failed(error: &Error) -> ExitCode {
    say(error);
    ExitCode::from(match error {
        Error::Application { fault: ApplicationFault::Stopped(_) | ApplicationFault::QueueFull, .. } => FAILED,
        Error::Application { .. } => 2,
        Error::Server { .. } | Error::Network { .. } => FAILED,
    })
}

/// A line on standard error, where it mixes with no data.
fn say(what: &impl Display) {
    // There may be nobody left to tell.
    let _ = writeln!(std::io::stderr(), "bayeux: {what}");
}
