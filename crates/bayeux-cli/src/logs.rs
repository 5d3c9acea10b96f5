//! The log: structured, on standard error, chosen by RUST_LOG. Written by a thread of its own: when its reader is slow or gone,
//! lines are lost, and the server goes on.

use std::io::IsTerminal;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Starts the log. `default` says what is in it unless RUST_LOG does. What is returned writes the rest when it is dropped.
pub(crate) fn start(default: &str, format: LogFormat) -> WorkerGuard {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let log = tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    guard
}
