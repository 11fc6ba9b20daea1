//! The LAN API.

pub mod body;
pub mod parameters;
pub mod problem;
pub mod rate;
pub mod serve;
