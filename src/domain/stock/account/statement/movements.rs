//! The last movements of a place, one by one.

use super::super::{PlaceAccount, Step};
use super::{Text, place_words, said, time};
use crate::domain::quantity::Quantity;
use crate::domain::stock::quantity;

pub(super) fn movements(text: &mut Text, place: &PlaceAccount) {
    if place.steps.is_empty() {
        return;
    }
    let older = if place.more {
        "; older ones are in the sums above"
    } else {
        ", which are all that are kept"
    };
    text.heading(format!(
        "THE LAST {} MOVEMENTS of goods {}, as they became known here, the last first{older}",
        place.steps.len(),
        place_words(place.place)
    ));
    let columns = |when: &str, node: &str, what: &str, rest: [&str; 4], said: &str| {
        let [goods, on_hand, promised, reserved] = rest;
        format!("  {when:<20} {node:<12} {what:<31} {goods:>9} {on_hand:>9} {promised:>9} {reserved:>9}  {said}")
    };
    let names = ["goods", "on hand", "promised", "reserved"];
    text.line(columns("when", "node", "what", names, "by whom, why, document"));
    text.line(columns("", "", "", ["+/-", "after", "+/-", "after"], ""));
    for step in &place.steps {
        let figures = [
            signed(step.growth.on_hand()),
            step.on_hand.to_string(),
            signed(step.growth.reserved()),
            step.reserved.to_string(),
        ];
        text.line(columns(
            &time(step.at_ms),
            step.node.as_str(),
            step.kind.words(),
            figures.each_ref().map(String::as_str),
            &particulars(step),
        ));
    }
}

/// What a step says of itself, with what it did to rights where that is all that it did.
fn particulars(step: &Step) -> String {
    let moved = [(step.growth.given, "handed on"), (step.growth.accepted, "taken over")];
    let moved = moved.into_iter().filter(|(amount, _)| !amount.is_zero());
    let rights = moved.map(|(amount, what)| format!("{} units {what}", quantity(amount)));
    rights.chain([said(&step.particulars)]).collect::<Vec<_>>().join(", ")
}

fn signed(change: Quantity) -> String {
    match change {
        Quantity::ZERO => "-".into(),
        change if change > Quantity::ZERO => format!("+{change}"),
        change => change.to_string(),
    }
}
