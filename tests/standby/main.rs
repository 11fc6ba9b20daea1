//! A store's standby, with real processes: headquarters, mosquitto, the node that sells and the one that follows it.

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
// Headquarters and its broker; what it has for kiosks is not used here.
#[allow(dead_code)]
#[path = "../kiosk/tree.rs"]
mod tree;

mod follows;
mod kiosks;
mod shop;
mod two_disks;
mod unseen;
