//! What happens in the properties' runs.

use proptest::prelude::*;

use super::properties::REPLICAS;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Add(usize, u64),
    Hold(usize, u64),
    Release(usize),
    SellHeld(usize),
    SellHeldAs(usize, u64),
    Take(usize, u64),
    Spend(usize, u64),
    Give(usize, usize, u64),
    HandOver(usize, usize),
    /// Something that was sent arrives: for the first time or again, in order or not.
    Arrive(usize),
    Gossip(usize, usize),
    Retire(usize),
    LateTake(usize, u64),
    LateGive(usize, usize, u64),
    Override(usize),
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    let replica = || 0..REPLICAS;
    let amount = || 1u64..12;
    prop_oneof![
        3 => (replica(), 1u64..40).prop_map(|(at, n)| Step::Add(at, n)),
        5 => (replica(), amount()).prop_map(|(at, n)| Step::Hold(at, n)),
        2 => (0usize..20).prop_map(Step::Release),
        2 => (0usize..20).prop_map(Step::SellHeld),
        1 => (0usize..20, amount()).prop_map(|(hold, m)| Step::SellHeldAs(hold, m)),
        3 => (replica(), amount()).prop_map(|(at, n)| Step::Take(at, n)),
        2 => (replica(), amount()).prop_map(|(at, n)| Step::Spend(at, n)),
        5 => (replica(), replica(), amount()).prop_map(|(at, to, n)| Step::Give(at, to, n)),
        2 => (0usize..20, replica()).prop_map(|(hold, to)| Step::HandOver(hold, to)),
        6 => (0usize..20).prop_map(Step::Arrive),
        4 => (replica(), replica()).prop_map(|(from, to)| Step::Gossip(from, to)),
        1 => (1..REPLICAS).prop_map(Step::Retire),
        1 => (1..REPLICAS, amount()).prop_map(|(at, n)| Step::LateTake(at, n)),
        1 => (1..REPLICAS, replica(), amount()).prop_map(|(at, to, n)| Step::LateGive(at, to, n)),
        1 => (1..REPLICAS).prop_map(Step::Override),
    ]
}
