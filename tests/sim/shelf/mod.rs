//! The shelf level: fifty replicas on one shelf, from one seed.
//!
//! Every replica runs the real rows (`domain::escrow`) and the real engine of rights (`sync::rights`); its disk is a
//! journal of commits. `model` is what really happened, told in units and promises, and shares no code with either.
//! `world` holds everything and takes one event after the other; `machine` commits; `network` loses and repeats, `links`
//! and `engines` are the process around the engine;
//! `actions` are customers and people, `calamities` what befalls them; `checks` compares after each step; `run` has the
//! phases; `policies` measures policies against each other; `runner` takes ranges of seeds; `knobs` finds the least of a
//! seed that still fails.

pub mod actions;
pub mod calamities;
pub mod checks;
pub mod engines;
pub mod facts;
pub mod fault;
pub mod full;
pub mod knobs;
pub mod links;
pub mod machine;
pub mod model;
pub mod network;
pub mod options;
#[allow(dead_code, reason = "its table is the binary's")]
pub mod policies;
pub mod run;
pub mod runner;
pub mod world;
