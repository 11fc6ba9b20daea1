//! The store's side that takes what its kiosk sends.

use std::collections::VecDeque;

use finalmarket::operations::relay::{self, ChildBatch};
use finalmarket::sync::hub::{Input, Output};
use finalmarket::sync::node;

use super::World;

impl World {
    pub(super) fn store_hears(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.store_hub.handle(self.now_ms, input);
            while let Some(output) = self.store_hub.poll() {
                inputs.extend(self.store_does(output));
            }
        }
    }

    fn store_does(&mut self, output: Output) -> Option<Input> {
        let now = self.now();
        let core = self.store.as_mut().unwrap();
        match output {
            Output::Send { message, .. } => {
                self.lan.down.push_back(message);
                None
            }
            Output::Introduce { node, hello } => {
                let session = hello.session;
                let result = core.run(|tx| relay::introduce_child(tx, now, &node, &hello)).unwrap();
                let origins = core.read(|snapshot| snapshot.relay_origins_of(&node)).unwrap();
                if let Some(newest) = origins.last() {
                    self.relay_hears(node::Input::Appended(newest.acked));
                }
                Some(Input::Introduced { node, session, result })
            }
            Output::Ingest { node, session, sealed } => {
                let batch = ChildBatch {
                    sender: node.clone(),
                    session,
                    sealed,
                };
                let read = core.read(|snapshot| relay::read_child_batch(snapshot, &batch)).unwrap();
                let (outcome, grown) = match read {
                    Ok(read) => {
                        let took = core.run(|tx| relay::take_child_batch(tx, now, &batch, &read)).unwrap();
                        (took.outcome, took.grown)
                    }
                    Err(outcome) => (outcome, None),
                };
                if let Some(head) = grown {
                    self.relay_hears(node::Input::Appended(head));
                }
                Some(Input::Ingested { node, session, outcome })
            }
            Output::LoadPage {
                node, session, feed, ..
            } => {
                let page = None;
                Some(Input::PageLoaded {
                    node,
                    session,
                    feed,
                    page,
                })
            }
        }
    }
}
