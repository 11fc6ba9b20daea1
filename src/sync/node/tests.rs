use super::*;
use crate::domain::journal::Hash;
use crate::sync::wire::{Ack, StreamHead, StreamState, StreamStatus};

const INCARNATION: Incarnation = Incarnation { counter: 1, random: 7 };

fn head(seq: u64) -> Head {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&seq.to_le_bytes());
    Head {
        incarnation: INCARNATION,
        seq,
        hash: Hash(hash),
    }
}

fn outputs(engine: &mut NodeEngine, input: Input) -> Vec<Output> {
    engine.handle(0, input);
    std::iter::from_fn(|| engine.poll()).collect()
}

/// An engine whose disk has one record, welcomed by a parent that has it.
fn open() -> NodeEngine {
    let mut engine = NodeEngine::new("store-1".parse().unwrap(), "test".into(), NodeLimits::default());
    let hub = HubState {
        online: true,
        run: 1,
        wire: WIRE_VERSION,
    };
    let local = LocalStream {
        head: StreamHead {
            head: head(1),
            earliest: 1,
            before_earliest: head(0).hash,
            public_key: [0; 32],
        },
        acked: head(1),
    };
    let streams = Input::Streams {
        streams: vec![local],
        feeds: Vec::new(),
    };
    let welcome = Welcome {
        session: 5,
        wire: WIRE_VERSION,
        batch_bytes_max: 1 << 16,
        streams: vec![StreamStatus {
            acked: head(1),
            common: 1,
            state: StreamState::Counted,
        }],
    };
    let welcome = Input::Received(Down::Welcome(welcome));
    for input in [Input::Connected { session: 5 }, Input::Hub(hub), streams, welcome] {
        outputs(&mut engine, input);
    }
    engine
}

#[test]
fn a_batch_may_hold_more_than_the_disk_has_told_of_by_then() {
    let mut engine = open();
    outputs(&mut engine, Input::Appended(head(2)));
    // Two more were recorded before the batch was read, and word of them comes after the parent's answer.
    let batch = LoadedBatch {
        incarnation: INCARNATION,
        first: 2,
        count: 3,
        before: head(1).hash,
        after: head(4).hash,
        sealed: Vec::new(),
    };
    outputs(&mut engine, Input::BatchLoaded(batch));
    let ack = Ack {
        session: 5,
        acked: head(4),
    };
    let done = outputs(&mut engine, Input::Received(Down::Ack(ack)));
    assert_eq!(done, [Output::SaveAck(head(4))], "it was not set back");
    assert_eq!(outputs(&mut engine, Input::Appended(head(4))), []);
}
