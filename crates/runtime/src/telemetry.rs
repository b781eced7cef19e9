use std::{io::IsTerminal, str::FromStr};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{Var, Vars};

const LOG: Var = Var::new(
    "REELFLEET_LOG",
    "info",
    "What is logged, as `level` or `crate=level,…` (error, warn, info, debug, trace).",
);
const FORMAT: Var = Var::new("LOG_FORMAT", "text", "How log lines look: `text` or `json`.");

/// The variables read here.
pub const VARS: &[Var] = &[LOG, FORMAT];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected `text` or `json`"),
        }
    }
}

/// Starts logging to standard error. A second start in one process changes nothing.
pub fn start(vars: &mut Vars) {
    let format: LogFormat = vars.parse(&FORMAT);
    let text = vars.text(&LOG).unwrap_or_default();
    // Connection pools log each statement at debug; nobody who asks for our
    // debug lines wants those unless they say so.
    let filter = EnvFilter::try_new(format!("sqlx=warn,{text}")).unwrap_or_else(|error| {
        vars.problem(&LOG, error);
        EnvFilter::new("info")
    });
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_target(false)
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_writer(std::io::stderr),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was already started");
    }
}
