//! The kiosk's engine over its disk.

use std::collections::VecDeque;

use finalmarket::domain::fact::OpenedReason;
use finalmarket::operations::{load_batch, reincarnate, save_ack, set_record_aside, streams};
use finalmarket::store::{IncarnationSeed, Snapshot};
use finalmarket::sync::node::{Input, Output};

use super::World;

impl World {
    pub(super) fn kiosk_hears(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.kiosk_engine.handle(self.now_ms, input);
            while let Some(output) = self.kiosk_engine.poll() {
                inputs.extend(self.kiosk_does(output));
            }
        }
    }

    fn kiosk_does(&mut self, output: Output) -> Option<Input> {
        let now = self.now();
        let core = self.kiosk.as_mut().unwrap();
        match output {
            Output::Send(message) => self.lan.up.push_back(message),
            Output::LoadStreams => {
                let (streams, feeds) = core.read(streams).unwrap();
                return Some(Input::Streams { streams, feeds });
            }
            Output::LoadBatch {
                incarnation,
                from,
                records_max,
                bytes_max,
            } => {
                let name = "kiosk-1".parse().unwrap();
                let load =
                    |snapshot: &Snapshot<'_>| load_batch(snapshot, &name, incarnation, from, records_max, bytes_max);
                return Some(match core.read(load).unwrap() {
                    Some(packed) => Input::BatchLoaded(packed.batch),
                    None => Input::StorageFailed,
                });
            }
            Output::SaveAck(_) => {}
            Output::SaveTopAck(acked) => {
                let known = self.hq.as_ref().unwrap().nodes().unwrap();
                let lives = known.iter().flat_map(|node| &node.incarnations);
                let at_top = lives
                    .map(|life| life.acked)
                    .find(|head| head.incarnation == acked.incarnation);
                assert!(
                    at_top.is_some_and(|head| head.seq >= acked.seq),
                    "headquarters has not: {acked:?}"
                );
                core.run(|tx| save_ack(tx, acked)).unwrap();
            }
            Output::SetAside {
                incarnation,
                seq,
                reason,
            } => {
                core.run(|tx| set_record_aside(tx, now, incarnation, seq, &reason))
                    .unwrap();
                return Some(Input::SetAside { incarnation, seq });
            }
            Output::Rehome {
                incarnation, common, ..
            } => {
                let random = self.dice.next();
                let seed = IncarnationSeed {
                    random,
                    secret_key: [random.to_le_bytes()[0]; 32],
                };
                core.run(|tx| reincarnate(tx, now, incarnation, common, OpenedReason::Copied, &seed))
                    .unwrap();
                panic!("nothing was set back or copied but the store");
            }
            Output::ApplyFeed(_) | Output::GiveBack { .. } => unreachable!("there are no feeds"),
        }
        None
    }
}
