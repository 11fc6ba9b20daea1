//! The LAN API from outside: the real router on a real socket, over a real store in a folder of its own.

#![cfg(feature = "node")]

mod alerts;
mod bounds;
mod carts;
mod catalog;
mod client;
mod codes;
mod description;
mod documents;
mod events;
mod explaining;
mod movements;
mod node;
mod operator;
mod pairing;
mod problems;
mod refunds;
mod repeats;
mod roles;
mod sales;
mod stock_work;
