//! Bad days: a full disk, a clock set back, a second process, a port in use, a broker that is not there or does not let
//! the node in, a damaged file, a file of a newer program, and clients that ask twice. On each the node says plainly what
//! is the matter, does nothing by halves, and goes on by itself where it can.
//!
//! Elsewhere: a broker that forgets its session and a headquarters that is killed in the middle of a batch are part of
//! `tests/end_to_end/outage.py`, the first also of `tests/link/outage.rs`; disks set back, copied and restored are
//! `tests/company`; kills and power cuts are `tests/crash`.

#![cfg(feature = "node")]

#[path = "../fixtures/at_once.rs"]
mod at_once;
#[path = "../fixtures/books.rs"]
mod books;
#[path = "../fixtures/http.rs"]
mod http;
#[path = "../fixtures/mosquitto.rs"]
mod mosquitto;
#[path = "../fixtures/node_process.rs"]
mod node_process;
#[path = "../fixtures/ports.rs"]
mod ports;
#[path = "../fixtures/shop.rs"]
mod shop;
#[path = "../fixtures/till.rs"]
mod till;
#[path = "../sim"]
#[allow(dead_code, reason = "the simulator uses the rest")]
mod sim {
    pub mod power_cut;
}

mod broker;
mod clock;
mod damaged;
mod disk_full;
mod disk_full_for_real;
mod repeats;
mod starting;
