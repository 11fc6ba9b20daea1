//! A disk in memory, and a world of replicas whose links lose, repeat and reorder what goes over them.

mod disk;
mod world;

pub(super) use disk::{Disk, sku};
pub(super) use world::World;
