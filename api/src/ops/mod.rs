//! For whoever keeps it running: alive, ready, metrics.

mod broker;
mod health;
mod measure;
mod metrics;

pub(crate) use broker::depth;
pub(crate) use health::{__path_health, __path_ready, health, ready};
pub(crate) use measure::{__path_scrape, scrape};
pub(crate) use metrics::Metrics;
