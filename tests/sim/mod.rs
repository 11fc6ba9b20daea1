//! The simulator: whole worlds of nodes, a broker, headquarters and tills in one thread, each from one seed.
//!
//! `world` holds everything and takes one event after the other; `node_shell` and `hub_shell` are the processes around
//! the engines under test, `node_disk` and `hub_disk` the disks, modelled or real (`options::Level`); `tills` are the
//! people; `calamities` is what befalls them; `model` is what the outside world knows, and shares no code with any
//! engine; `checks` compares after each step, `run` at the end.

pub mod calamities;
pub mod checks;
pub mod events;
pub mod folder;
pub mod hub_disk;
pub mod hub_shell;
pub mod ledger;
pub mod model;
pub mod network;
pub mod node_disk;
pub mod node_shell;
pub mod node_writer;
pub mod options;
pub mod planted;
#[allow(dead_code, reason = "other tests use the rest")]
pub mod power_cut;
pub mod promise;
pub mod requests;
pub mod rng;
pub mod run;
pub mod runner;
pub mod shelf;
pub mod tills;
pub mod trace;
pub mod world;
