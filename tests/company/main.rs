//! A company of real processes: headquarters, mosquitto, a store's node and what becomes of its disk.
//!
//! Each test does to a disk what happens to disks (restored from yesterday's backup, set back, copied, one record spoilt)
//! and shows that headquarters finds it, counts nothing of it unasked, has all of it, and after the operator's word has
//! what was sold, each sale once, to the cent. `interrupted` kills what stands between, and headquarters itself.

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
#[path = "../fixtures/seller.rs"]
mod seller;
#[path = "../fixtures/till.rs"]
mod till;

mod bad_record;
mod copied;
mod headquarters;
mod interrupted;
mod repeats;
mod restored;
mod set_back;
