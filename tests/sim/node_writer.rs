//! A machine's writer: gathers what is to be written, commits it in groups, and answers after the commit.

use std::rc::Rc;

use finalmarket::sync::node::Input;

use super::events::Event;
use super::node_disk::{NotCommitted, Write, Written};
use super::node_shell::Job;
use super::planted::Planted;
use super::promise::Checked;
use super::requests::Request;
use super::world::World;

impl World {
    /// A till's request arrives.
    pub fn node_is_asked(&mut self, machine: usize, till: usize, request: Rc<Request>, garbage: bool) -> Checked {
        if self.machines[machine].engine.is_some() {
            let write = if garbage {
                Write::Garbage(request.clone())
            } else {
                Write::Request(request.clone())
            };
            self.enqueue(machine, write, Some((till, request)))?;
        }
        Ok(())
    }

    /// Asks a machine's writer to forget what is acknowledged.
    pub fn node_prunes(&mut self, machine: usize) -> Checked {
        let write = Write::Prune {
            keep: self.options.retention_records,
            unacknowledged_too: self.planted == Some(Planted::PruneUnacknowledged),
        };
        self.enqueue(machine, write, None)
    }

    /// A group commit ends.
    pub fn node_committed(&mut self, machine: usize, life: u64) -> Checked {
        let clocks = self.clocks(machine);
        let state = &mut self.machines[machine];
        if state.life != life {
            return Ok(());
        }
        let Some(group) = state.committing.take() else {
            return Ok(());
        };
        state.ahead = None;
        let writes: Vec<Write> = group.iter().map(|job| job.write.clone()).collect();
        let results = state.disk.commit(&writes, clocks);
        let name = state.name.clone();
        let count = group.len();
        let worked = results.is_ok();
        self.note(|| {
            format!(
                "{name} commits {count} writes{}",
                if worked { "" } else { ": the disk is full" }
            )
        });
        match results {
            Ok(results) => {
                let new = self.take_note_of_records(machine);
                let head = self.machines[machine].disk.head().filter(|_| new);
                // The loop asks for the head by itself: its answer may come before or after the others, and late.
                if let Some(head) = head {
                    let at_ms = self.now_ms + self.rng.between(0, self.options.commit_ms_max);
                    let input = Box::new(Input::Appended(head));
                    self.schedule(at_ms, Event::NodeInput(machine, life, input));
                }
                for (job, result) in group.into_iter().zip(results) {
                    self.written(machine, life, job, result)?;
                }
                self.check_stock_now_and_then(machine)?;
            }
            Err(NotCommitted::Broken(violation)) => return Err(violation),
            Err(NotCommitted::NoRoom) => {
                for job in group {
                    match job.till {
                        Some((till, request)) => self.answer_till(machine, till, request, Err("storage".to_owned())),
                        // Nobody waits for these.
                        None if matches!(job.write, Write::Prune { .. } | Write::SaveAck(_)) => {}
                        None => self.node_hears(machine, life, Input::StorageFailed)?,
                    }
                }
            }
        }
        self.start_commit(machine)
    }

    /// Hands something to the writer.
    pub fn enqueue(&mut self, machine: usize, write: Write, till: Option<(usize, Rc<Request>)>) -> Checked {
        self.machines[machine].writer.push(Job { write, till });
        self.start_commit(machine)
    }

    fn start_commit(&mut self, machine: usize) -> Checked {
        let clocks = self.clocks(machine);
        let at_ms = self.now_ms + self.rng.between(1, self.options.commit_ms_max);
        let planted = self.planted;
        let state = &mut self.machines[machine];
        if state.committing.is_some() || state.writer.is_empty() || state.engine.is_none() {
            return Ok(());
        }
        let group = std::mem::take(&mut state.writer);
        let life = state.life;
        let mut early = None;
        if matches!(planted, Some(Planted::ReplyBeforeCommit | Planted::SendsUncommitted)) {
            let writes: Vec<Write> = group.iter().map(|job| job.write.clone()).collect();
            early = state.disk.ahead(&writes, clocks);
        }
        state.committing = Some(group.clone());
        self.schedule(at_ms, Event::NodeCommitted(machine, life));
        if let Some((ahead, results)) = early {
            if planted == Some(Planted::ReplyBeforeCommit) {
                for (job, result) in group.into_iter().zip(results) {
                    if let (Some((till, request)), Written::Answered(answer)) = (job.till, result) {
                        self.answer_till(machine, till, request, answer);
                    }
                }
            } else {
                let head = ahead.head();
                self.machines[machine].ahead = Some(ahead);
                if let Some(head) = head {
                    self.node_hears(machine, life, Input::Appended(head))?;
                }
            }
        }
        Ok(())
    }

    fn written(&mut self, machine: usize, life: u64, job: Job, result: Written) -> Checked {
        match result {
            Written::Answered(answer) => {
                if let Some((till, request)) = job.till {
                    self.answer_till(machine, till, request, answer);
                }
                Ok(())
            }
            Written::SetAside(incarnation, seq) => self.node_hears(machine, life, Input::SetAside { incarnation, seq }),
            Written::Rehomed => self.node_hears(machine, life, Input::Rehomed),
            Written::FeedApplied(cursor) => self.node_hears(machine, life, Input::FeedApplied(cursor)),
            Written::Pruned(pruned) => self.check_pruned(machine, &pruned),
            Written::Done => Ok(()),
            // As the loop takes it that runs the engine: it begins again from what is on the disk. Nobody waits to hear
            // whether an acknowledgement was saved.
            Written::NotDone(why) => {
                let name = self.machines[machine].name.clone();
                self.note(|| format!("{name} does not: {why}"));
                match job.write {
                    Write::SaveAck(_) => Ok(()),
                    _ => self.node_hears(machine, life, Input::StorageFailed),
                }
            }
        }
    }

    /// Sends a till its answer, which may be lost.
    pub fn answer_till(&mut self, machine: usize, till: usize, request: Rc<Request>, answer: Result<(), String>) {
        if self.rng.chance(self.options.reply_loss) {
            return;
        }
        let at_ms = self.now_ms + self.rng.between(0, 20);
        let from = (machine, self.machines[machine].branch);
        let reply = Event::Reply {
            till,
            from,
            request,
            answer,
        };
        self.schedule(at_ms, reply);
    }
}
