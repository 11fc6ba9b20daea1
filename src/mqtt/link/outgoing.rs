//! Publishes under way to the broker.
//!
//! rumqttc gives packet ids in a circle of the broker's window and stalls where an id comes round that is not
//! acknowledged yet; it also holds acknowledgements back while its window is full. So no more are handed to it than fit
//! into the circle, counted from the oldest, and one place stays free.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::PublishFailed;

/// The most publishes under way, whatever the broker would allow.
pub(super) const PUBLISHES_MAX: u16 = 64;

/// What a publish is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// This side is here.
    Here,
    /// This side is going.
    Gone,
    /// A caller's, who is told what became of it.
    Caller(oneshot::Sender<Result<(), PublishFailed>>),
}

#[derive(Debug)]
struct UnderWay {
    bytes: u32,
    /// Known once rumqttc has written it.
    packet: Option<u16>,
    /// Nothing once it is acknowledged.
    purpose: Option<Purpose>,
}

/// The publishes of one connection that the broker has not acknowledged, oldest first.
#[derive(Debug)]
pub(super) struct Outgoing {
    window: usize,
    under_way: VecDeque<UnderWay>,
}

impl Outgoing {
    /// `receive_max` is what the broker takes at once.
    pub(super) fn new(receive_max: u16) -> Self {
        let window = usize::from(receive_max.min(PUBLISHES_MAX)).saturating_sub(1).max(1);
        Self {
            window,
            under_way: VecDeque::new(),
        }
    }

    /// Whether another publish may be handed to rumqttc.
    pub(super) fn has_room(&self) -> bool {
        self.under_way.len() < self.window
    }

    /// How many may be under way at once.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// A publish was handed to rumqttc.
    pub(super) fn push(&mut self, bytes: u32, purpose: Purpose) {
        self.under_way.push_back(UnderWay {
            bytes,
            packet: None,
            purpose: Some(purpose),
        });
    }

    /// rumqttc has written the next publish, under this packet id.
    pub(super) fn on_written(&mut self, packet: u16) {
        if let Some(next) = self.under_way.iter_mut().find(|publish| publish.packet.is_none()) {
            next.packet = Some(packet);
        }
    }

    /// The broker has acknowledged a packet: its size and what it was for.
    pub(super) fn on_acknowledged(&mut self, packet: u16) -> Option<(u32, Purpose)> {
        let publish = self
            .under_way
            .iter_mut()
            .find(|publish| publish.packet == Some(packet) && publish.purpose.is_some())?;
        let found = (publish.bytes, publish.purpose.take()?);
        while self.under_way.front().is_some_and(|publish| publish.purpose.is_none()) {
            self.under_way.pop_front();
        }
        Some(found)
    }

    /// The sizes of what the broker has been sent and has not acknowledged, oldest first.
    pub(super) fn sizes(&self) -> Vec<u32> {
        let unacknowledged = self
            .under_way
            .iter()
            .filter(|publish| publish.purpose.is_some() && publish.packet.is_some());
        unacknowledged.map(|publish| publish.bytes).collect()
    }

    /// The broker refused the oldest publish in a way that rumqttc could not read.
    pub(super) fn refuse_oldest(&mut self, why: PublishFailed) {
        let oldest = self.under_way.iter_mut().find_map(|publish| publish.purpose.take());
        if let Some(Purpose::Caller(answer)) = oldest {
            // Whoever dropped the receipt does not want to know.
            let _ = answer.send(Err(why));
        }
    }

    /// Everything under way of this size or more is too large for the broker.
    pub(super) fn refuse_from(&mut self, from_bytes: u32) {
        for publish in self.under_way.iter_mut().filter(|publish| publish.bytes >= from_bytes) {
            if let Some(Purpose::Caller(answer)) = publish.purpose.take() {
                let _ = answer.send(Err(PublishFailed::TooLarge { bytes: publish.bytes }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose_is(found: Option<(u32, Purpose)>, bytes: u32) -> bool {
        matches!(found, Some((of, Purpose::Here)) if of == bytes)
    }

    #[test]
    fn the_window_is_counted_from_the_oldest() {
        let mut outgoing = Outgoing::new(4);
        for bytes in [10, 20, 30] {
            assert!(outgoing.has_room());
            outgoing.push(bytes, Purpose::Here);
        }
        assert!(!outgoing.has_room());
        for packet in [2, 3, 4] {
            outgoing.on_written(packet);
        }
        assert!(purpose_is(outgoing.on_acknowledged(3), 20));
        assert!(!outgoing.has_room(), "the oldest is still under way");
        assert_eq!(outgoing.sizes(), [10, 30]);
        assert!(outgoing.on_acknowledged(3).is_none());
        assert!(purpose_is(outgoing.on_acknowledged(2), 10));
        assert!(outgoing.has_room());
        assert_eq!(outgoing.sizes(), [30]);
    }

    #[test]
    fn any_window_lets_something_through() {
        assert_eq!(Outgoing::new(1).window(), 1);
        assert_eq!(Outgoing::new(20).window(), 19);
        assert_eq!(Outgoing::new(u16::MAX).window(), 63);
    }
}
