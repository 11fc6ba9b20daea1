//! Around a node's engine that carries documents of shelves: works are done at once and committed.

use finalmarket::domain::ids::NodeId;
use finalmarket::store::{Failure, StorageError};
use finalmarket::sync::carriage::{Input, Neighbour, Output, Performed, Work, perform};
use finalmarket::sync::wire::{Down, Up};

use super::node::Inner;
use super::world::{Seat, World};

impl World {
    /// Does what the engine wants.
    pub fn do_carriage(&mut self, at: usize) {
        while let Some(output) = self.nodes[at]
            .process
            .as_mut()
            .and_then(|process| process.carrier.poll())
        {
            match output {
                Output::Work(work) => self.carry(at, work),
                Output::Send { to, session, message } => match to {
                    Neighbour::Parent => self.send_up(at, &Up::Shelves { session, message }),
                    Neighbour::Child(node) => self.say_down(at, &node, &Down::Shelves { session, message }),
                },
                Output::Report { neighbour, id, reason } => {
                    self.say(|world| format!("{}: {neighbour:?}, {id:?}: {reason}", world.name(Seat::Node(at))));
                }
                Output::Refused { sku, reason } => {
                    self.broken(&format!("no document takes the row of {sku}: {reason}"))
                }
            }
        }
    }

    fn carry(&mut self, at: usize, work: Work) {
        let performed = self.nodes[at]
            .process
            .as_ref()
            .map(|process| process.core.read(|snapshot| perform(snapshot, work)));
        match performed {
            None => {}
            Some(Ok(Performed { keep, done })) => {
                if !keep.is_empty() {
                    let kept = self.write(at, |tx| {
                        tx.keep_documents(&keep).map_err(Failure::<StorageError>::Storage)
                    });
                    if kept.is_none() {
                        return;
                    }
                    self.check_copies(at);
                }
                self.tell(at, Inner::Carriage(Input::Done(done)));
            }
            Some(Err(error)) => {
                let what = format!("{} cannot carry documents: {error}", self.name(Seat::Node(at)));
                self.broken(&what);
            }
        }
    }

    /// A node by its name.
    pub fn node_called(&self, name: &NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.disk.node.node == *name)
    }
}
