//! The store's side that passes on to headquarters what its kiosk has sent.

use std::collections::VecDeque;

use finalmarket::operations::relay;
use finalmarket::sync::node::{Input, Output};
use finalmarket::sync::wire::{Ack, Batch, Down, Refused, Resend, Up};

use super::World;

impl World {
    pub(super) fn relay_hears(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.relay.handle(self.now_ms, input);
            while let Some(output) = self.relay.poll() {
                inputs.extend(self.relay_does(output));
            }
        }
    }

    fn relay_does(&mut self, output: Output) -> Option<Input> {
        let (now, name) = (self.now(), "kiosk-1".parse().unwrap());
        let core = self.store.as_mut().unwrap();
        match output {
            Output::Send(message) => {
                if let Up::Batch { sealed, .. } = &message
                    && sealed.len() > self.bytes_max
                {
                    let header = Batch::open(sealed).unwrap().header;
                    return Some(Input::TooLarge {
                        incarnation: header.incarnation,
                        first: header.first,
                        count: header.count,
                    });
                }
                self.wan.up.push_back(message);
                None
            }
            Output::LoadStreams => {
                let streams = core
                    .read(|snapshot| relay::relayed_streams(snapshot, now, &name))
                    .unwrap();
                let (streams, feeds) = (streams.streams, Vec::new());
                Some(Input::Streams { streams, feeds })
            }
            Output::LoadBatch { incarnation, from, .. } => {
                let load = core.read(|snapshot| relay::load_relayed(snapshot, &name, incarnation, from));
                Some(load.map_or(Input::StorageFailed, Input::BatchLoaded))
            }
            Output::SaveAck(acked) => {
                let saved = core.run(|tx| relay::save_relayed_ack(tx, &name, acked)).unwrap();
                if let (true, Some(session)) = (saved, self.lan.session) {
                    let ack = Ack { session, acked };
                    self.lan.down.push_back(Down::AckedAtTop(ack));
                }
                None
            }
            Output::GiveBack {
                incarnation,
                first,
                reason,
                ..
            } => {
                let back = core.run(|tx| relay::give_back(tx, &name, incarnation, first)).unwrap();
                if let (Some(back), Some(session)) = (back, self.lan.session) {
                    let acked = back.acked;
                    let resend = Resend { session, acked };
                    self.lan.down.push_back(Down::Resend(resend));
                    let refused = Refused {
                        session,
                        incarnation,
                        first: back.first,
                        count: back.count,
                        reason,
                    };
                    self.lan.down.push_back(Down::Refused(refused));
                }
                Some(Input::Rehomed)
            }
            Output::Rehome { .. } => panic!("headquarters knows no other branch"),
            other => unreachable!("{other:?}"),
        }
    }
}
