//! How a node's facts reach its parent, each once. Pure: no disk, no socket, no clock, no randomness of its own.

pub mod wire;
