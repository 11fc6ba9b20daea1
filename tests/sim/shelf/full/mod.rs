//! The full level of the shelf: the same model and rules over the real program on SQLite files.
//!
//! Every node runs `store` and `operations` on a disk whose power can be cut, headquarters runs `hq` on another; the
//! real engines (`sync::node`, `sync::hub`, `sync::rights`, `sync::carriage`) talk over a network that loses, repeats and
//! reorders. What happens is read from the journals record by record and told to the model, which shares no code with
//! the program; after each commit the rows are read from the files and compared with it.
//!
//! `disk` and `hq_disk` are the files; `node`, `uplink`, `children`, `rights`, `carriage` the process around a node's
//! engines; `hq`, `hq_rights` headquarters'; `observe` reads what was committed and `checks` compares; `customers` and
//! `calamities` are what happens; `run` has the phases.

pub mod calamities;
pub mod carriage;
pub mod checks;
pub mod children;
pub mod customers;
pub mod disk;
pub mod hq;
pub mod hq_disk;
pub mod hq_rights;
pub mod network;
pub mod node;
pub mod observe;
pub mod options;
pub mod people;
pub mod retiring;
pub mod rights;
pub mod run;
pub mod uplink;
pub mod world;
