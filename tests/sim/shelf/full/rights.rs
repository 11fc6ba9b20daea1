//! Around a node's engine of rights: what it hears of its disk and of neighbours, and what it wants done.

use finalmarket::domain::escrow::{Amount, ReplicaId, Row};
use finalmarket::domain::ids::Sku;
use finalmarket::domain::stock::{GrantLine, Granted, Place};
use finalmarket::operations::{
    accept, give, grants_behind, grants_of_earlier, grants_outstanding, own_replica, own_row, taken_over,
};
use finalmarket::store::{Failure, Snapshot, StorageError};
use finalmarket::sync::rights::{Input, Output, Place as Seat, Resolution, RightsMessage, ShelfKey};
use finalmarket::sync::wire::{Down, Up};

use super::super::fault::Fault;
use super::node::Inner;
use super::world::World;

impl World {
    pub fn shelf_of(&self, at: usize, sku: &Sku) -> ShelfKey {
        ShelfKey {
            site: self.sites[self.nodes[at].site].clone(),
            sku: sku.clone(),
        }
    }

    pub fn row_input(&self, at: usize, sku: &Sku, row: &Row) -> Input {
        Input::Row {
            shelf: self.shelf_of(at, sku),
            figures: row.into(),
        }
    }

    fn row_at(&mut self, at: usize, sku: &Sku) -> Option<Row> {
        self.reads(at, |snapshot| own_row(snapshot, sku))
    }

    /// A kiosk can be reached.
    pub fn child_is(&mut self, at: usize, session: u64, replica: ReplicaId) {
        // One that is retired is told so, and nothing is handed on to it.
        let retired = self.reads(at, |snapshot| snapshot.retired(&replica));
        if retired.is_none_or(|retired| retired.is_some()) {
            return;
        }
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        process.children.retain(|_, known| *known != replica);
        let child = process.connections.get(&session).map(|connection| connection.child);
        process.children.insert(session, replica.clone());
        if let Some(child) = child {
            self.nodes[child].link.failed_ms = self.now_ms;
        }
        let connected = Input::Connected {
            peer: replica.clone(),
            place: Seat::Child,
        };
        self.tell(at, Inner::Rights(connected));
        let steps = self.reads(at, |snapshot| grants_outstanding(snapshot, &replica));
        for (sku, total, request, row) in steps.unwrap_or_default() {
            let granted = Input::Granted {
                to: replica.clone(),
                shelf: self.shelf_of(at, &sku),
                request,
                total,
                figures: (&row).into(),
            };
            self.tell(at, Inner::Rights(granted));
        }
        let earlier = self.reads(at, |snapshot| grants_of_earlier(snapshot, &replica));
        for (from, granted) in earlier.unwrap_or_default() {
            self.say_down(at, &replica.node, &Down::Granted { session, from, granted });
        }
    }

    /// The parent has handed rights on.
    pub fn take_over(&mut self, at: usize, from: &ReplicaId, granted: &Granted) {
        let now = self.now_at(at);
        let taken = self.write(at, |tx| {
            accept(tx, now, from, granted).map_err(Failure::<StorageError>::Storage)
        });
        if let Some(Ok(grown)) = taken {
            for (sku, _) in grown {
                self.tell_accepted(at, from, &sku, granted.request);
            }
        }
    }

    pub fn tell_accepted(&mut self, at: usize, from: &ReplicaId, sku: &Sku, request: Option<u64>) {
        let Some(row) = self.row_at(at, sku) else { return };
        let accepted = Input::Accepted {
            from: from.clone(),
            shelf: self.shelf_of(at, sku),
            request,
            figures: (&row).into(),
        };
        self.tell(at, Inner::Rights(accepted));
    }

    /// A kiosk's journal says that it has taken rights over.
    pub fn note_taken_over(&mut self, at: usize, by: ReplicaId, lines: Vec<GrantLine>) {
        let noted = self.write(at, |tx| {
            taken_over(tx, &by, &lines).map_err(Failure::<StorageError>::Storage)
        });
        if noted.is_none() {
            return;
        }
        for line in lines {
            let taken = Input::TakenOver {
                by: by.clone(),
                shelf: self.shelf_of(at, &line.sku),
                total: line.grant.after,
            };
            self.tell(at, Inner::Rights(taken));
        }
    }

    /// Does what the engine wants.
    pub fn do_rights(&mut self, at: usize) {
        while let Some(output) = self.nodes[at]
            .process
            .as_mut()
            .and_then(|process| process.rights.poll())
        {
            match output {
                Output::Send { to, message } => self.send_rights(at, &to, message),
                Output::Give {
                    to,
                    shelf,
                    amount,
                    request,
                } => self.give_rights(at, to, shelf, amount, request),
                Output::SendGrants { to, shelf, after } => self.send_grants(at, to, shelf, after),
                Output::LookUp { shelf } => self.look_up(at, shelf),
                Output::Resolved { need, resolution } => self.resolved(at, need, resolution),
            }
        }
    }

    fn send_rights(&mut self, at: usize, to: &ReplicaId, message: RightsMessage) {
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        if process.parent.as_ref() == Some(to) {
            if let Some(session) = process.session {
                self.send_up(at, &Up::Rights { session, message });
            }
            return;
        }
        let child = process.children.iter().find(|(_, child)| *child == to);
        if let Some(session) = child.map(|(session, _)| *session) {
            self.say_down(at, &to.node, &Down::Rights { session, message });
        }
    }

    fn give_rights(&mut self, at: usize, to: ReplicaId, shelf: ShelfKey, amount: Amount, request: Option<u64>) {
        let too_early = self.planted == Some(Fault::GrantBeforeCommit);
        if too_early && self.gives_too_early(at, &to, &shelf, amount, request) {
            let Some(row) = self.row_at(at, &shelf.sku) else { return };
            let not_given = Input::NotGiven {
                to,
                shelf,
                request,
                figures: (&row).into(),
            };
            return self.tell(at, Inner::Rights(not_given));
        }
        let now = self.now_at(at);
        let given = self.write(at, |tx| give(tx, now, &to, &shelf.sku, amount, request));
        let answer = match given {
            None => return,
            Some(Ok(given)) => Input::Granted {
                to,
                shelf,
                request,
                total: given.total,
                figures: (&given.row).into(),
            },
            Some(Err(_)) => {
                let Some(row) = self.row_at(at, &shelf.sku) else { return };
                Input::NotGiven {
                    to,
                    shelf,
                    request,
                    figures: (&row).into(),
                }
            }
        };
        self.tell(at, Inner::Rights(answer));
    }

    /// Planted: the grant is sent as it will be recorded, and then now and then there is no room for the record.
    fn gives_too_early(
        &mut self,
        at: usize,
        to: &ReplicaId,
        shelf: &ShelfKey,
        amount: Amount,
        request: Option<u64>,
    ) -> bool {
        let now = self.now_at(at);
        let Some(process) = self.nodes[at].process.as_mut() else {
            return false;
        };
        let Some(session) = process
            .children
            .iter()
            .find(|(_, child)| *child == to)
            .map(|(session, _)| *session)
        else {
            return false;
        };
        let mut early = None;
        let undone = process.core.run(|tx| {
            let before = own_row(tx, &shelf.sku)?.given(to);
            give(tx, now, to, &shelf.sku, amount, request)
                .map_err(|failure| Failure::Storage(StorageError::Other(failure.to_string())))?;
            early = Some((own_replica(tx)?, grants_behind(tx, to, &shelf.sku, before)?));
            Err::<(), _>(Failure::Refused("not yet"))
        });
        let (Err(Failure::Refused(_)), Some((from, granted))) = (undone, early) else {
            return false;
        };
        self.say_down(at, &to.node, &Down::Granted { session, from, granted });
        self.rng.chance(100)
    }

    fn send_grants(&mut self, at: usize, to: ReplicaId, shelf: ShelfKey, after: Amount) {
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        let Some(session) = process
            .children
            .iter()
            .find(|(_, child)| **child == to)
            .map(|(session, _)| *session)
        else {
            return;
        };
        let read = self.reads(at, |snapshot: &Snapshot<'_>| {
            let granted = grants_behind(snapshot, &to, &shelf.sku, after)?;
            let given = own_row(snapshot, &shelf.sku)?.given(&to);
            Ok((own_replica(snapshot)?, granted, given))
        });
        match read {
            None => {}
            Some((_, granted, total)) if granted.is_empty() => {
                self.tell(at, Inner::Rights(Input::TakenOver { by: to, shelf, total }));
            }
            Some((from, granted, _)) => {
                self.say_down(at, &to.node, &Down::Granted { session, from, granted });
            }
        }
    }

    fn look_up(&mut self, at: usize, shelf: ShelfKey) {
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        let children: Vec<ReplicaId> = process.children.values().cloned().collect();
        let read = self.reads(at, |snapshot| {
            Ok((
                own_row(snapshot, &shelf.sku)?,
                snapshot.shelf(Place::Sellable, &shelf.sku)?,
            ))
        });
        let Some((own, known)) = read else { return };
        let rights = children.into_iter().filter_map(|child| {
            let rights = known.row(&child)?.rights();
            Some((child, Amount::new(u64::try_from(rights).ok()?)?))
        });
        let known = Input::Known {
            shelf,
            figures: (&own).into(),
            rights: rights.collect(),
        };
        self.tell(at, Inner::Rights(known));
    }

    fn resolved(&mut self, at: usize, need: u64, resolution: Resolution) {
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        let Some(place) = process.waiting.iter().position(|waiting| waiting.need == need) else {
            return;
        };
        let waiting = process.waiting.remove(place);
        self.moved.insert(at);
        // A refusal is tried once more, as the product does: some may have come by another way.
        let opened = self.open_hold(at, &waiting.key, &waiting.lines, waiting.lifetime_ms);
        if resolution == Resolution::Ready {
            self.tell(at, Inner::Rights(Input::Closed { need }));
        }
        if opened == Some(false) {
            self.is_refused(super::world::Seat::Node(at), &waiting);
        }
    }
}
