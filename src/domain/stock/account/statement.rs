//! An account as a statement in text: a reader who has nothing else can say where every unit went.

mod movements;

use chrono::DateTime;

use super::{
    Account, DebtAccount, EndedHold, GrantAccount, HoldAccount, KindSum, PlaceAccount, Reach, ReplicaAccount, minus,
    rights,
};
use crate::domain::escrow::Amount;
use crate::domain::ids::{NodeId, SiteId};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Growth, Particulars, Place, StepKind, quantity};
use movements::movements;

/// What stands above a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementHead {
    /// The node that writes it, or headquarters.
    pub node: NodeId,
    /// The site.
    pub site: SiteId,
    /// What people call the item; empty where the catalog does not say.
    pub name: String,
    /// When it is written, milliseconds since 1970.
    pub at_ms: u64,
}

/// Writes it.
#[must_use]
pub fn statement(head: &StatementHead, account: &Account) -> String {
    let mut text = Text::default();
    let name = if head.name.is_empty() {
        "not in the catalog"
    } else {
        &head.name
    };
    text.line(format!("STOCK STATEMENT of {} ({name})", account.sku));
    text.line(format!(
        "written by node {} for site {} on {}",
        head.node,
        head.site,
        time(head.at_ms)
    ));
    text.line("All quantities are in the item's own unit (a piece, a kilogram, ...). All times are UTC.");
    reached(&mut text, account);
    for place in &account.places {
        goods(&mut text, place, account);
    }
    promises(&mut text, account);
    ended(&mut text, account);
    the_rights(&mut text, account);
    debt(&mut text, account);
    for place in &account.places {
        movements(&mut text, place);
    }
    sums(&mut text, account);
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

fn reached(text: &mut Text, account: &Account) {
    if account.reach.is_empty() {
        return;
    }
    text.heading("UP TO WHEN each node is in this statement");
    for reach in &account.reach {
        text.line(reach_line(reach));
    }
}

fn reach_line(reach: &Reach) -> String {
    let mut line = match reach.through_ms {
        0 => format!("  {}: nothing of it has come yet", reach.node),
        through_ms => format!("  {}: all that it recorded until {}", reach.node, time(through_ms)),
    };
    if reach.pending > 0 {
        line.push_str(&format!(
            "; {} records that it has told of are not in it yet",
            reach.pending
        ));
    }
    if reach.set_apart > 0 {
        line.push_str(&format!(
            "; {} records are set apart until an operator decides",
            reach.set_apart
        ));
    }
    if reach.row_behind {
        line.push_str("; its rows under RIGHTS and in THE SUMS do not have its newest records yet");
    }
    line
}

fn goods(text: &mut Text, place: &PlaceAccount, account: &Account) {
    text.heading(format!(
        "GOODS {}: what came in and what went out",
        place_words(place.place)
    ));
    let mut moved = false;
    for journal in &place.journals {
        let total = journal.total();
        if total.added.is_zero() && total.removed.is_zero() {
            continue;
        }
        moved = true;
        text.line(format!("  by the journal of node {}:", journal.node));
        kind_lines(text, &journal.kinds, |growth| {
            [(growth.added, "in"), (growth.removed, "out")]
        });
        text.line(format!(
            "    came in {} units - went out {} units = {} units by this journal",
            quantity(total.added),
            quantity(total.removed),
            total.on_hand()
        ));
    }
    if !moved {
        text.line("  by the journals that are kept here nothing came in and nothing went out");
    }
    if place.place != Place::Sellable {
        return;
    }
    for other in account
        .replicas
        .iter()
        .filter(|replica| !replica.journal && replica.counts)
    {
        let growth = Growth::of(&other.row);
        text.line(format!(
            "  by node {} ({}): {} units came in, {} units went out; its own journal says by what",
            other.replica.node,
            other.part.words(),
            quantity(growth.added),
            quantity(growth.removed)
        ));
    }
    let journals = account
        .replicas
        .iter()
        .filter(|replica| replica.journal && replica.counts);
    let rows = journals
        .map(|replica| Growth::of(&replica.row).on_hand())
        .sum::<Quantity>();
    let here = place.total().on_hand();
    if rows != here {
        text.line(format!(
            "  these journals come to {here} units and the rows under RIGHTS to {rows}: a row follows its journal \
             within seconds, and does not have records that are set aside or pruned unseen"
        ));
    }
}

/// One line for each kind and register that moved.
fn kind_lines(text: &mut Text, kinds: &[KindSum], registers: impl Fn(&Growth) -> [(Amount, &'static str); 2]) {
    for sum in kinds {
        for (amount, way) in registers(&sum.growth) {
            if !amount.is_zero() {
                let pruned = match sum.pruned {
                    0 => String::new(),
                    pruned => format!("; {pruned} of them are no longer kept one by one"),
                };
                text.line(format!(
                    "    {:<34} {:>10} units {way:<8}  {}{pruned}",
                    sum.kind.words(),
                    quantity(amount),
                    when(sum)
                ));
            }
        }
    }
}

fn promises(text: &mut Text, account: &Account) {
    text.heading("PROMISED: open holds, which keep goods for somebody");
    for hold in &account.holds {
        text.line(hold_line(account, hold));
    }
    if account.holds.is_empty() {
        text.line("  no hold is open, as far as it is known here");
    }
    for replica in account.replicas.iter().filter(|replica| replica.counts) {
        let listed = account.holds.iter().filter(|hold| hold.owner == replica.replica);
        let listed = listed.map(|hold| hold.quantity).sum::<Quantity>();
        let others = minus(Growth::of(&replica.row).reserved(), listed);
        if others != Quantity::ZERO {
            text.line(format!(
                "  {others} units more are reserved by node {} ({}), whose own statement lists its holds",
                replica.replica.node,
                replica.part.words()
            ));
        }
    }
    let Some(place) = account.places.first() else { return };
    for journal in &place.journals {
        let total = journal.total();
        if total.held.is_zero() && total.freed.is_zero() {
            continue;
        }
        text.line(format!("  by the journal of node {}:", journal.node));
        kind_lines(text, &journal.kinds, |growth| {
            [(growth.held, "promised"), (growth.freed, "ended")]
        });
        text.line(format!(
            "    promised {} - ended {} = {} units reserved by this journal",
            quantity(total.held),
            quantity(total.freed),
            total.reserved()
        ));
    }
}

fn hold_line(account: &Account, hold: &HoldAccount) -> String {
    let particulars = Particulars::of_hold(&hold.opened);
    let device = hold.device.as_ref().map(|device| format!("device \"{device}\""));
    let customer = hold
        .opened
        .customer
        .as_ref()
        .map(|customer| format!("customer {customer}"));
    let by: Vec<String> = device.into_iter().chain(particulars.who).chain(customer).collect();
    let by = if by.is_empty() {
        String::new()
    } else {
        format!(", {}", by.join(", "))
    };
    let owner = account.replicas.iter().find(|replica| replica.replica == hold.owner);
    let owner = owner.map_or_else(String::new, |owner| format!(" ({})", owner.part.words()));
    let clock = if hold.own_clock {
        ""
    } else {
        ", later where its node was not running all the time"
    };
    format!(
        "  hold {}: {} units {}{by}; kept by node {}{owner}; runs out in {} s unless it is extended{clock}",
        hold.opened.id,
        hold.quantity,
        particulars.why.unwrap_or_default(),
        hold.owner.node,
        hold.remaining_ms.div_ceil(1_000)
    )
}

fn ended(text: &mut Text, account: &Account) {
    let ended: Vec<_> = account.places.iter().flat_map(PlaceAccount::ended_holds).collect();
    if ended.is_empty() {
        return;
    }
    text.heading("HOLDS THAT ENDED, of the movements that are listed below, in the same order");
    for hold in ended {
        text.line(ended_line(hold));
    }
}

fn ended_line(EndedHold { id, end, opened }: EndedHold<'_>) -> String {
    let growth = end.growth;
    let went = match end.kind {
        StepKind::SaleFromHold => format!(
            "sold: {} units went out by {}",
            quantity(growth.removed),
            end.particulars.why.as_deref().unwrap_or("a sale")
        ),
        StepKind::Collected => format!("fetched, paid before: {} units went out", quantity(growth.removed)),
        StepKind::Dispatched => format!(
            "sent to another site: {} units went out by {}",
            quantity(growth.removed),
            end.particulars.why.as_deref().unwrap_or("a transfer")
        ),
        StepKind::HoldReleased => "released: its units repay debt first, and can then be promised again".into(),
        StepKind::HoldExpired => "run out: its units repay debt first, and can then be promised again".into(),
        _ => format!(
            "handed on with its rights {}",
            end.particulars.why.as_deref().unwrap_or_default()
        ),
    };
    let opened = match opened {
        Some(opened) => format!("{}, {}", said(&opened.particulars), time(opened.at_ms)),
        None => "before the movements that are listed".into(),
    };
    format!(
        "  hold {id}: {} units, opened at node {}: {opened}; on {} {went}",
        quantity(growth.freed),
        end.node,
        time(end.at_ms)
    )
}

fn the_rights(text: &mut Text, account: &Account) {
    text.heading("RIGHTS: who may promise how much of it");
    for replica in &account.replicas {
        text.line(rights_line(replica));
    }
    if account.replicas.is_empty() {
        text.line("  nobody has any: nothing ever moved");
    }
    let grants = account.grants();
    for grant in &grants {
        text.line(grant_line(account, grant));
    }
    if grants.is_empty() {
        text.line("  no rights were handed on or taken over");
    }
    for (replica, left) in &account.unpromised {
        text.line(format!(
            "  {replica} was retired and left {left} of these units under way: nobody may promise them until they are \
             counted or released"
        ));
    }
}

fn rights_line(account: &ReplicaAccount) -> String {
    let growth = Growth::of(&account.row);
    let retired = if account.retired {
        ", retired: its parent writes this row"
    } else {
        ""
    };
    let waits = if account.counts {
        ""
    } else {
        "; in no sum, because an operator has not let it count"
    };
    format!(
        "  {} ({}{retired}{waits}):\n    came in {} + taken over {} + debt {} - went out {} - reserved {} - handed on {} - debt \
         repaid {} = {} units",
        account.replica,
        account.part.words(),
        quantity(growth.added),
        quantity(growth.accepted),
        quantity(growth.debt),
        quantity(growth.removed),
        growth.reserved(),
        quantity(growth.given),
        quantity(growth.repaid),
        rights(&account.row)
    )
}

fn grant_line(account: &Account, grant: &GrantAccount) -> String {
    let known = |of: &crate::domain::escrow::ReplicaId| account.replicas.iter().any(|replica| replica.replica == *of);
    let unheard = match (known(&grant.from), known(&grant.to)) {
        (true, true) => String::new(),
        (false, _) => format!("; {} has not been heard of itself", grant.from.node),
        (_, false) => format!("; {} has not been heard of itself", grant.to.node),
    };
    format!(
        "  {} handed on {} units to {}; {} took over {} units from {}: {} units are under way{unheard}",
        grant.from,
        grant.given,
        grant.to,
        grant.to.node,
        grant.accepted,
        grant.from.node,
        minus(grant.given, grant.accepted)
    )
}

fn debt(text: &mut Text, account: &Account) {
    text.heading("DEBT: what left the shop although its node had no right to it any more");
    let total = account.total();
    if total.debt.is_zero() {
        text.line("  none was ever made");
        return;
    }
    text.line(format!(
        "  made {} - repaid {} = {} units owed (the oldest is repaid first: by goods that come in, holds that end, rights that others send)",
        quantity(total.debt),
        quantity(total.repaid),
        total.owed()
    ));
    for debt in &account.debts {
        debt_lines(text, debt);
    }
    let listed = account.debts.iter().map(|debt| debt.made).sum::<Quantity>();
    let others = minus(quantity(total.debt), listed);
    if others > Quantity::ZERO {
        text.line(format!(
            "  {others} units of it by records that are older, no longer kept, or another node's"
        ));
    }
}

fn debt_lines(text: &mut Text, debt: &DebtAccount) {
    let step = &debt.step;
    text.line(format!(
        "  {} units by: {} at node {}, {}, {}: {} units are still owed",
        debt.made,
        step.kind.words(),
        step.node,
        said(&step.particulars),
        time(step.at_ms),
        debt.owed
    ));
    for repaid in &debt.repaid {
        let by = &repaid.step;
        text.line(format!(
            "    {} units of it repaid by: {}, {}, {}",
            repaid.quantity,
            by.kind.words(),
            said(&by.particulars),
            time(by.at_ms)
        ));
    }
    let known = debt.repaid.iter().map(|repaid| repaid.quantity).sum::<Quantity>();
    let others = minus(minus(debt.made, debt.owed), known);
    if others > Quantity::ZERO {
        text.line(format!(
            "    {others} units of it repaid by records that are not listed"
        ));
    }
}

fn sums(text: &mut Text, account: &Account) {
    text.heading("THE SUMS, over all nodes of the site that are known here, for goods on sale");
    let total = account.total();
    let opening = account.places.first().map(PlaceAccount::opening).unwrap_or_default();
    let came_in = minus(quantity(total.added), opening);
    let counting = account.replicas.iter().filter(|replica| replica.counts);
    let rights = counting.map(|replica| rights(&replica.row)).sum::<Quantity>();
    let under_way = minus(quantity(total.given), quantity(total.accepted));
    let available = minus(total.on_hand(), total.reserved());
    text.line(format!(
        "  opening {opening} + came in {came_in} - went out {} = {} units on hand",
        quantity(total.removed),
        total.on_hand()
    ));
    let none = if available < Quantity::ZERO {
        let short = minus(Quantity::ZERO, available);
        format!(" (shown as 0): {short} units are promised that are not there")
    } else {
        String::new()
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
    let apart = account.replicas.iter().any(|replica| !replica.counts);
    if apart {
        text.line("  what is set apart is in none of these sums");
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

fn when(sum: &KindSum) -> String {
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
