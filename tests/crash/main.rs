//! P1: nothing acknowledged is lost, and no receipt is without its sale, whatever ends the node and whenever.
//!
//! Tills sell over HTTP and remember every answer that they hear. The node is ended again and again in the middle of
//! that: by SIGKILL (`kills`, the real program) or by a power cut that drops what was not synced, in any order
//! (`power_cuts`, the real store, operations and API over a modelled disk). After each start the tills look whether what
//! they were told is there, repeat what was not answered, and sell on; at the end everything is compared: `accounts`
//! with what the tills know, and `books` from the journal up. `teeth` shows that the same checks find a node that breaks
//! the promise.
//!
//! Each run prints its seed; `FINALMARKET_SEED=N` repeats its choices. Threads and the system's timing are not part of
//! the seed.

#![cfg(feature = "node")]

#[path = "../fixtures/books.rs"]
mod books;
#[path = "../fixtures/http.rs"]
mod http;
#[path = "../fixtures/node_process.rs"]
mod node_process;
#[path = "../fixtures/shop.rs"]
mod shop;
#[path = "../sim"]
#[allow(dead_code, reason = "the simulator uses the rest")]
mod sim {
    pub mod power_cut;
    pub mod promise;
    pub mod rng;
}

mod accounts;
mod kills;
mod power_cuts;
mod teeth;
mod till;
mod town;

/// Where a run starts: as asked for, or anywhere.
fn seed() -> u64 {
    match std::env::var("FINALMARKET_SEED") {
        Ok(seed) => seed.parse().expect("FINALMARKET_SEED is a number"),
        Err(_) => getrandom::u64().expect("randomness") % 1_000_000,
    }
}
