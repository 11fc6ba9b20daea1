//! What an engine of rights wants done, and what is done for it.

use super::{
    Amount, Figures, Grant, GrantStep, Input, Market, Output, ReplicaId, Resolution, Row, ShelfKey, Step, What, size,
};
use crate::Outcome;
use crate::trace::Event;

impl Market<'_> {
    pub(super) fn neighbour(&self, at: usize, id: &ReplicaId) -> Option<usize> {
        let other = self.replicas.iter().position(|replica| replica.id == *id)?;
        self.links_up[at.max(other)].then_some(other)
    }

    pub(super) fn do_output(&mut self, at: usize, output: Output) -> Outcome<()> {
        match output {
            Output::Send { to, message } => {
                if let Some(other) = self.neighbour(at, &to) {
                    self.result.rights_bytes += size(&message)?;
                    self.send(at, other, What::Rights(message));
                }
                Ok(())
            }
            Output::Give {
                to,
                shelf,
                amount,
                request,
            } => self.give(at, to, shelf, amount, request),
            Output::SendGrants { to, shelf, after } => self.send_grants(at, to, shelf, after),
            Output::LookUp { shelf } => {
                let item = self.items[&shelf];
                let replica = &self.replicas[at];
                let rights = |(child, rows): (&usize, &Vec<Row>)| {
                    let (id, row) = (self.replicas[*child].id.clone(), &rows[item]);
                    let under_way = replica.rows[item].given(&id).above(row.accepted(&replica.id));
                    Some((id, Figures::from(row).rights.checked_add(under_way)?))
                };
                let rights = replica.of_children.iter().filter_map(rights).collect();
                let figures = Figures::from(&replica.rows[item]);
                self.feed(at, Input::Known { shelf, figures, rights })
            }
            Output::Resolved { need, resolution } => self.resolved(at, need, resolution),
        }
    }

    pub(super) fn give(
        &mut self,
        at: usize,
        to: ReplicaId,
        shelf: ShelfKey,
        n: Amount,
        request: Option<u64>,
    ) -> Outcome<()> {
        let item = self.items[&shelf];
        let other = self.replicas.iter().position(|replica| replica.id == to);
        let other = other.ok_or("a grant to nobody")?;
        let repeated = request.is_some_and(|request| self.replicas[at].answered.contains_key(&(other, request)));
        let before = self.replicas[at].rows[item].given(&to);
        if !repeated {
            if self.replicas[at].rows[item].give(&to, n).is_err() {
                let figures = Figures::from(&self.replicas[at].rows[item]);
                return self.feed(
                    at,
                    Input::NotGiven {
                        to,
                        shelf,
                        request,
                        figures,
                    },
                );
            }
            if let Some(request) = request {
                self.replicas[at].answered.insert((other, request), ());
            }
            let after = self.replicas[at].rows[item].given(&to);
            let step = Step {
                shelf: shelf.clone(),
                before,
                after,
                request,
            };
            let up = self.replicas[at].parent == Some(other);
            if !up {
                let steps = self.replicas[at].granted.entry((other, item)).or_default();
                steps.push(step.clone());
            }
            self.touched(at, item, up.then_some(step), false)?;
        }
        let (total, figures) = (
            self.replicas[at].rows[item].given(&to),
            Figures::from(&self.replicas[at].rows[item]),
        );
        self.feed(
            at,
            Input::Granted {
                to,
                shelf,
                request,
                total,
                figures,
            },
        )
    }

    pub(super) fn send_grants(&mut self, at: usize, to: ReplicaId, shelf: ShelfKey, after: Amount) -> Outcome<()> {
        let item = self.items[&shelf];
        let Some(child) = self.neighbour(at, &to) else {
            return Ok(());
        };
        let mine = self.replicas[at].id.clone();
        let taken = self.replicas[at]
            .of_children
            .get(&child)
            .map(|rows| rows[item].accepted(&mine));
        let taken = taken.unwrap_or_default();
        if self.replicas[at].rows[item].given(&to) <= taken {
            let total = taken;
            return self.feed(at, Input::TakenOver { by: to, shelf, total });
        }
        let after = after.max(taken);
        if let Some(steps) = self.replicas[at].granted.get_mut(&(child, item)) {
            steps.retain(|step| step.after > taken);
            let wanted: Vec<Step> = steps.iter().filter(|step| step.after > after).cloned().collect();
            for step in wanted {
                self.result.rights_bytes += size(&step)?;
                self.send(at, child, What::Granted(step));
            }
        }
        Ok(())
    }

    pub(super) fn resolved(&mut self, at: usize, need: u64, resolution: Resolution) -> Outcome<()> {
        self.waiting.remove(&need);
        let n = usize::try_from(need)?;
        let Event::Visit(visit) = self.trace.events[n].1 else {
            return Err("a need of nobody".into());
        };
        let opened = self.hold(n, visit)?;
        if resolution == Resolution::Ready {
            self.feed(at, Input::Closed { need })?;
        }
        if !opened {
            self.result.refused += 1;
            self.result.refused_beside_goods += u64::from(self.free[visit.item] >= visit.units as i64);
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, at: usize, from: usize, step: Step) -> Outcome<()> {
        let (id, item) = (self.replicas[from].id.clone(), self.items[&step.shelf]);
        let grant = Grant {
            before: step.before,
            after: step.after,
        };
        let row = &mut self.replicas[at].rows[item];
        let GrantStep::Take(n) = grant.step(row, &id) else {
            return Ok(());
        };
        row.accept(&id, n)?;
        let figures = Figures::from(&*row);
        let (shelf, request) = (step.shelf.clone(), step.request);
        // Only the parent waits to hear that its child has it.
        let from_parent = self.replicas[at].parent == Some(from);
        self.touched(at, item, from_parent.then_some(step), from_parent)?;
        self.feed(
            at,
            Input::Accepted {
                from: id,
                shelf,
                request,
                figures,
            },
        )
    }
}
