//! The LAN API: what tills, kiosks and managers ask of a node, over HTTP and JSON.
//!
//! It promises that only paired devices are served (health, pairing and documentation aside), that every refusal is a
//! problem with a stable type, that a request repeated with its key is done once, and that nothing a client sends
//! takes unbounded memory, time or work. It decides nothing: a handler reads a request, calls one operation or one
//! read, and writes the answer. Who may call what is the table in [`roles`]; what an error means to a client is the
//! table in [`problem::kind`].

pub(crate) mod account;
mod alerts;
mod aside;
pub(crate) mod body;
mod caller;
mod carts;
mod children;
mod codes;
mod command;
mod commits;
mod devices;
pub(crate) mod docs;
pub(crate) mod documents;
mod events;
mod explain;
mod gathered;
pub(crate) mod guard;
mod health;
mod history;
mod holds;
mod imports;
mod kept;
mod link;
mod metrics;
pub(crate) mod money;
mod movements;
pub(crate) mod openapi;
mod pairing;
pub(crate) mod parameters;
pub(crate) mod pickups;
pub mod problem;
mod products;
mod rate;
mod receipts;
mod refunds;
pub(crate) mod retirements;
mod rights;
pub mod roles;
mod router;
mod sales;
mod serve;
pub(crate) mod site_lines;
mod standbys;
mod state;
mod status;
mod stock;
mod stock_work;
pub(crate) mod sync;
mod tenders;
pub(crate) mod transfers;

pub use aside::{AsideApi, AsideView, PromoteAsk, router as aside_router};
pub use children::{ChildEvent, Children};
pub use commits::{Commits, Committed};
pub use gathered::Gathered;
pub use rate::Rate;
pub use rights::{Ready, RightsAsk, RightsDesk};
pub use router::router;
pub use serve::{Peer, ServeLimits, serve};
pub use standbys::{StandbyDesk, StandbyReport, StandbyStatus, forget_unsent_copies};
pub use state::{ApiLimits, ApiParts, ApiState, Clock};
pub use sync::{Link, LinkReport};
