//! Headquarters' engine over its ledger.

use std::collections::VecDeque;

use finalmarket::hq::Incoming;
use finalmarket::sync::hub::{Input, Output};

use super::World;

impl World {
    pub(super) fn hq_hears(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.hq_hub.handle(self.now_ms, input);
            while let Some(output) = self.hq_hub.poll() {
                inputs.extend(self.hq_does(output));
            }
        }
    }

    fn hq_does(&mut self, output: Output) -> Option<Input> {
        let (hq, now_ms) = (self.hq.as_ref().unwrap(), self.now_ms);
        match output {
            Output::Send { message, .. } => {
                self.wan.down.push_back(message);
                None
            }
            Output::Introduce { node, hello } => {
                let (session, via) = (hello.session, "store-1".parse().unwrap());
                let result = hq.introduce_relayed(&via, &node, hello, now_ms, now_ms).unwrap();
                Some(Input::Introduced { node, session, result })
            }
            Output::Ingest { node, session, sealed } => {
                let batch = Incoming {
                    sender: node.clone(),
                    relayed: true,
                    session,
                    sealed,
                };
                let outcome = hq.ingest(vec![batch], now_ms).unwrap().remove(0).outcome;
                Some(Input::Ingested { node, session, outcome })
            }
            Output::LoadPage { .. } => unreachable!("a relayed introduction names no feeds"),
        }
    }
}
