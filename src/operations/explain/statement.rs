//! An explanation as an account statement: a reader who has nothing else can say where every unit went.

use std::fmt::Write as _;

use chrono::DateTime;

use super::{Explanation, GrantAccount, OpenHoldOf, PlaceAccount, ReplicaAccount, Step};
use crate::domain::ids::{NodeId, SiteId};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Growth, Particulars, Place, StepKind, quantity};
use crate::store::HistorySum;

/// What stands above a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementHead {
    /// The node that writes it.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// What people call the item; empty where the catalog does not say.
    pub name: String,
    /// When it is written, milliseconds since 1970.
    pub at_ms: u64,
    /// The node's running time, by which holds run out, in milliseconds.
    pub running_ms: u64,
}

/// Writes it.
#[must_use]
pub fn statement(head: &StatementHead, explained: &Explanation) -> String {
    let mut text = Text::default();
    let name = if head.name.is_empty() {
        "not in the catalog"
    } else {
        &head.name
    };
    text.line(format!("STOCK STATEMENT of {} ({name})", explained.sku));
    text.line(format!(
        "written by node {} at site {} on {}",
        head.node,
        head.site,
        time(head.at_ms)
    ));
    text.line("All quantities are in the item's own unit (a piece, a kilogram, ...). All times are UTC.");
    for place in &explained.places {
        goods(&mut text, place, explained);
    }
    promises(&mut text, head, explained);
    rights(&mut text, explained);
    debt(&mut text, explained);
    for place in &explained.places {
        movements(&mut text, place);
    }
    sums(&mut text, explained);
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref().trim_end());
        self.0.push('\n');
    }

    fn heading(&mut self, heading: impl AsRef<str>) {
        self.0.push('\n');
        self.line(heading);
    }
}

const fn place_words(place: Place) -> &'static str {
    match place {
        Place::Sellable => "ON SALE",
        Place::Damaged => "SET APART AS DAMAGED",
    }
}

fn goods(text: &mut Text, place: &PlaceAccount, explained: &Explanation) {
    text.heading(format!(
        "GOODS {}: what came in and what went out, by this node's journal",
        place_words(place.place)
    ));
    for kind in &place.kinds {
        let sum = &kind.sum;
        for (amount, way) in [(sum.growth.added, "in"), (sum.growth.removed, "out")] {
            if !amount.is_zero() {
                let pruned = match kind.pruned {
                    0 => String::new(),
                    pruned => format!("; {pruned} of them are no longer kept one by one"),
                };
                text.line(format!(
                    "  {:<36} {:>10} units {way:<3}  {}{pruned}",
                    sum.kind.words(),
                    quantity(amount),
                    when(sum)
                ));
            }
        }
    }
    let total = place.total();
    if total.added.is_zero() && total.removed.is_zero() {
        text.line("  nothing came in and nothing went out");
    }
    text.line(format!(
        "  came in {} units - went out {} units = {} units on hand by this node's journal",
        quantity(total.added),
        quantity(total.removed),
        total.on_hand()
    ));
    if place.place != Place::Sellable {
        return;
    }
    for other in explained.replicas.iter().filter(|replica| !replica.here) {
        let growth = Growth::of(&other.row);
        text.line(format!(
            "  node {}: {} units came in, {} units went out there; its own journal says by what",
            other.replica,
            quantity(growth.added),
            quantity(growth.removed)
        ));
    }
}

fn promises(text: &mut Text, head: &StatementHead, explained: &Explanation) {
    text.heading("PROMISED: holds that keep goods for somebody");
    for hold in &explained.holds {
        text.line(hold_line(head, hold));
    }
    if explained.holds.is_empty() {
        text.line("  no hold is open on this node");
    }
    let Some(place) = explained.places.first() else { return };
    let (mut opened, mut ended) = (String::new(), String::new());
    for kind in &place.kinds {
        for (amount, words) in [(kind.sum.growth.held, &mut opened), (kind.sum.growth.freed, &mut ended)] {
            if !amount.is_zero() {
                let _ = write!(
                    words,
                    ", {}: {} units ({})",
                    kind.sum.kind.words(),
                    quantity(amount),
                    when(&kind.sum)
                );
            }
        }
    }
    let total = place.total();
    text.line(format!(
        "  promised {} units in all{opened}; of these ended {} units{ended}",
        quantity(total.held),
        quantity(total.freed)
    ));
    text.line(format!(
        "  promised {} - ended {} = {} units reserved by this node",
        quantity(total.held),
        quantity(total.freed),
        total.reserved()
    ));
}

fn hold_line(head: &StatementHead, open: &OpenHoldOf) -> String {
    let opened = &open.hold.hold.opened;
    let Particulars { why, who, .. } = Particulars::of_hold(opened);
    let by = match (&open.device, who) {
        (Some(device), Some(who)) => format!("device \"{device}\", {who}"),
        (Some(device), None) => format!("device \"{device}\""),
        (None, Some(who)) => who,
        (None, None) => "a device that is not recorded".into(),
    };
    format!(
        "  hold {}: {} units {}, opened by {by}, runs out in {} s unless it is extended",
        opened.id,
        open.quantity,
        why.unwrap_or_default(),
        open.hold.hold.remaining_ms(head.running_ms).div_ceil(1_000)
    )
}

fn rights(text: &mut Text, explained: &Explanation) {
    text.heading("RIGHTS: who may promise how much of it");
    for account in &explained.replicas {
        text.line(rights_line(account));
    }
    if explained.replicas.is_empty() {
        text.line("  nobody has any: nothing ever moved");
    }
    for grant in &explained.grants {
        text.line(grant_line(grant));
    }
    if explained.grants.is_empty() {
        text.line("  no rights were handed on or taken over");
    }
    for (replica, left) in &explained.unpromised {
        text.line(format!(
            "  {replica} was retired and left {} of these units under way: nobody may promise them until they are counted \
             or released",
            quantity(*left)
        ));
    }
}

fn rights_line(account: &ReplicaAccount) -> String {
    let whose = match (account.present, account.here, account.retired) {
        (true, ..) => "this node",
        (false, true, true) => "an earlier life of this node, retired: its parent writes this row",
        (false, true, false) => "an earlier life of this node",
        (false, false, true) => "another node, retired: its parent writes this row",
        (false, false, false) => "another node, as far as it was heard of",
    };
    let growth = Growth::of(&account.row);
    format!(
        "  {} ({whose}):\n    came in {} + taken over {} + debt {} - went out {} - reserved {} - handed on {} - debt \
         repaid {} = {} units",
        account.replica,
        quantity(growth.added),
        quantity(growth.accepted),
        quantity(growth.debt),
        quantity(growth.removed),
        growth.reserved(),
        quantity(growth.given),
        quantity(growth.repaid),
        rights_of(account)
    )
}

fn grant_line(grant: &GrantAccount) -> String {
    format!(
        "  {} handed on {} units to {}, which took over {}: {} units are under way",
        grant.from,
        grant.given,
        grant.to,
        grant.accepted,
        minus(grant.given, grant.accepted)
    )
}

fn debt(text: &mut Text, explained: &Explanation) {
    text.heading("DEBT: what left the shop although this site had no right to it any more");
    let total = explained.all_replicas();
    if total.debt.is_zero() {
        text.line("  none was ever made");
        return;
    }
    text.line(format!(
        "  made {} - repaid {} = {} units owed (the oldest is repaid first)",
        quantity(total.debt),
        quantity(total.repaid),
        total.owed()
    ));
    for debt in &explained.debts {
        let row = &debt.step.row;
        text.line(format!(
            "  {} units of it by: {} {}, {}",
            debt.owed,
            row.kind.words(),
            said(&debt.step.particulars),
            time(row.at_ms)
        ));
    }
}

fn movements(text: &mut Text, place: &PlaceAccount) {
    if place.steps.is_empty() {
        return;
    }
    let older = if place.more {
        "; older ones are in the sums above"
    } else {
        ", which are all that are kept"
    };
    text.heading(format!(
        "THE LAST {} MOVEMENTS of goods {}, the newest first{older}",
        place.steps.len(),
        place_words(place.place)
    ));
    text.line(format!(
        "  {:<20} {:<31} {:>9} {:>9} {:>9} {:>9}  by whom, why, document",
        "when", "what", "goods", "on hand", "promised", "reserved"
    ));
    text.line(format!(
        "  {:<20} {:<31} {:>9} {:>9} {:>9} {:>9}",
        "", "", "+/-", "after", "+/-", "after"
    ));
    for Step { row, particulars } in &place.steps {
        text.line(format!(
            "  {:<20} {:<31} {:>9} {:>9} {:>9} {:>9}  {}",
            time(row.at_ms),
            row.kind.words(),
            signed(row.growth.on_hand()),
            row.on_hand,
            signed(row.growth.reserved()),
            row.reserved,
            said(particulars)
        ));
    }
}

fn sums(text: &mut Text, explained: &Explanation) {
    text.heading("THE SUMS, over all nodes of the site that are known here, for goods on sale");
    let total = explained.all_replicas();
    let opening = explained.places.first().map(opening_of).unwrap_or_default();
    let came_in = minus(quantity(total.added), opening);
    let rights = explained.replicas.iter().map(rights_of).sum::<Quantity>();
    let under_way = minus(quantity(total.given), quantity(total.accepted));
    let available = minus(total.on_hand(), total.reserved());
    text.line(format!(
        "  opening {opening} + came in {came_in} - went out {} = {} units on hand",
        quantity(total.removed),
        total.on_hand()
    ));
    let none = if available < Quantity::ZERO {
        " (shown as 0)"
    } else {
        ""
    };
    text.line(format!(
        "  on hand {} - reserved {} = {available} units available{none}",
        total.on_hand(),
        total.reserved()
    ));
    text.line(format!(
        "  rights {rights} + reserved {} + under way {under_way} - owed {} = {} units, which is what is on hand",
        total.reserved(),
        total.owed(),
        minus([rights, total.reserved(), under_way].into_iter().sum(), total.owed())
    ));
}

fn opening_of(place: &PlaceAccount) -> Quantity {
    let openings = place.kinds.iter().filter(|kind| kind.sum.kind == StepKind::Opening);
    openings.map(|kind| quantity(kind.sum.growth.added)).sum()
}

fn rights_of(account: &ReplicaAccount) -> Quantity {
    Quantity::from_thousandths(i64::try_from(account.row.rights()).unwrap_or(i64::MAX))
}

fn minus(a: Quantity, b: Quantity) -> Quantity {
    [a, -b].into_iter().sum()
}

fn signed(change: Quantity) -> String {
    match change {
        Quantity::ZERO => "-".into(),
        change if change > Quantity::ZERO => format!("+{change}"),
        change => change.to_string(),
    }
}

fn said(particulars: &Particulars) -> String {
    let parts = [&particulars.who, &particulars.why, &particulars.document];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    if parts.is_empty() {
        "not recorded".into()
    } else {
        parts.join(", ")
    }
}

fn when(sum: &HistorySum) -> String {
    match sum.times {
        0 => "when is not known any more".into(),
        1 => format!("once, {}", time(sum.first_ms)),
        times => format!("{times} times, {} to {}", time(sum.first_ms), time(sum.last_ms)),
    }
}

fn time(unix_ms: u64) -> String {
    let instant = i64::try_from(unix_ms).ok().and_then(DateTime::from_timestamp_millis);
    instant.unwrap_or_default().format("%Y-%m-%d %H:%M:%S").to_string()
}
