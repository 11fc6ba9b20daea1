//! The tree, with real processes: headquarters, mosquitto, a store's node and two kiosks with nodes of their own, which
//! reach headquarters through the store over the LAN.

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

mod catalog;
mod disks;
mod killed;
mod pairing;
mod relayed;
mod retired;
mod rights;
mod shelves;
mod site_work;
mod tree;
