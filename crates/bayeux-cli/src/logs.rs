//! The log: structured, on standard error, chosen by RUST_LOG. Written by a thread of its own: when its reader is slow or gone,
//! lines are lost, and the server goes on.

use std::io::IsTerminal;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Starts the log. `default` says what is in it unless RUST_LOG does. What is returned writes the rest when it is dropped.
///
/// # Errors
/// RUST_LOG can't be read; why, in one sentence.
pub(crate) fn start(default: &str, format: LogFormat) -> Result<WorkerGuard, String> {
    let chosen = match std::env::var("RUST_LOG") {
        Err(std::env::VarError::NotUnicode(_)) => return Err("RUST_LOG: it is not UTF-8".to_owned()),
        chosen => chosen.unwrap_or_default(),
    };
    let filter = if chosen.trim().is_empty() { default } else { &chosen };
    let filter = EnvFilter::builder().parse(filter).map_err(|error| format!("RUST_LOG: {error}"))?;
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let log = tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(guard)
}
