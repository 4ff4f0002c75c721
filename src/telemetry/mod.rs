//! Logs, metrics and traces. Ground floor: anyone may log or count, and nothing here knows what for.

pub mod logs;
pub mod metrics;
mod traces;
