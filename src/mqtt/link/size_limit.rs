//! What a broker takes in one packet: what it announces, and what it shows by dropping the connection.
//!
//! A packet over the limit must be found out before it is sent, for a client that sends it again after each
//! disconnection never comes further. A verdict is sound where the broker names the reason: of the packets under way
//! the culprit is over the limit, and so is every one that is no smaller.

use std::time::{Duration, Instant};

/// The largest packet, in bytes, that either side of this link announces and sends.
pub(super) const PACKET_BYTES_MAX: u32 = 1 << 20;

/// Whoever takes no packet of this size is no broker; below it, no lost connection is put down to size.
const SUSPECT_BYTES_MIN: u32 = 8 << 10;
/// After so many connections in a row that were lost with a large packet under way and none like it acknowledged.
const LOSSES_MAX: u32 = 3;
/// What was learnt is forgotten after this time: the broker may be another one by then.
const LEARNT_LASTS: Duration = Duration::from_secs(3_600);

/// The limit for outgoing packets.
#[derive(Debug, Default)]
pub(super) struct SizeLimit {
    announced: Option<u32>,
    learnt: Option<(u32, Instant)>,
    losses: u32,
    suspect_bytes: u32,
}

/// Why a connection ended, as far as sizes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The broker says that a packet was too large, and means the oldest one that it has not acknowledged.
    OldestTooLarge,
    /// The broker says that a packet was too large, and does not say which.
    SomeTooLarge,
    /// The broker closed the connection and said nothing.
    Unexplained,
    /// Anything else.
    Other,
}

impl SizeLimit {
    /// Takes what a broker announces at the start of a connection.
    pub(super) fn on_announced(&mut self, bytes_max: Option<u32>) {
        if self.announced != bytes_max {
            *self = Self {
                announced: bytes_max,
                ..Self::default()
            };
        }
    }

    /// The largest packet that is worth sending, in bytes.
    pub(super) fn bytes_max(&self, now: Instant) -> u32 {
        let learnt = self
            .learnt
            .filter(|(_, since)| now.saturating_duration_since(*since) < LEARNT_LASTS)
            .map_or(u32::MAX, |(bytes, _)| bytes);
        PACKET_BYTES_MAX.min(self.announced.unwrap_or(u32::MAX)).min(learnt)
    }

    /// The broker has taken a packet of this size.
    pub(super) fn on_taken(&mut self, bytes: u32) {
        if bytes >= self.suspect_bytes {
            self.losses = 0;
        }
    }

    /// The connection ended with packets of these sizes under way, oldest first. Returns the size from which on they
    /// were too large, where that is what ended it.
    pub(super) fn on_lost(&mut self, now: Instant, loss: Loss, under_way: &[u32]) -> Option<u32> {
        let largest = under_way.iter().copied().max();
        let culprit = match loss {
            Loss::OldestTooLarge => under_way.first().copied(),
            Loss::SomeTooLarge => largest,
            Loss::Unexplained => largest.filter(|bytes| self.suspect(*bytes)),
            Loss::Other => None,
        }?;
        self.losses = 0;
        self.learnt = Some((culprit.saturating_sub(1), now));
        Some(culprit)
    }

    fn suspect(&mut self, bytes: u32) -> bool {
        if bytes < SUSPECT_BYTES_MIN {
            return false;
        }
        self.suspect_bytes = if self.losses == 0 {
            bytes
        } else {
            bytes.min(self.suspect_bytes)
        };
        self.losses += 1;
        self.losses >= LOSSES_MAX
    }
}

/// How many bytes a packet has that carries a payload on a topic, acknowledged (QoS 1) and without properties.
pub(super) fn packet_bytes(topic_bytes: usize, payload_bytes: usize) -> u32 {
    let rest = u32::try_from(2 + topic_bytes + 2 + 1 + payload_bytes).unwrap_or(u32::MAX);
    let length_bytes = match rest {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    };
    rest.saturating_add(1 + length_bytes)
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::Publish;

    use super::*;

    #[test]
    fn a_packet_is_as_large_as_the_library_makes_it() {
        for payload in [
            0,
            1,
            110,
            120,
            121,
            122,
            16_300,
            16_376,
            16_377,
            64 << 10,
            2_097_140,
            2_097_145,
        ] {
            let mut publish = Publish::new("fm/m/n/up", QoS::AtLeastOnce, vec![0; payload], None);
            publish.pkid = 1;
            assert_eq!(packet_bytes(9, payload) as usize, publish.size(), "{payload}");
        }
    }

    #[test]
    fn what_a_broker_says_is_believed() {
        let now = Instant::now();
        let mut limit = SizeLimit::default();
        assert_eq!(limit.bytes_max(now), PACKET_BYTES_MAX);
        limit.on_announced(Some(20_000));
        assert_eq!(limit.bytes_max(now), 20_000);
        assert_eq!(
            limit.on_lost(now, Loss::OldestTooLarge, &[12_000, 18_000]),
            Some(12_000)
        );
        assert_eq!(limit.bytes_max(now), 11_999);
        limit.on_announced(Some(20_000));
        assert_eq!(limit.bytes_max(now), 11_999, "the same broker");
        assert_eq!(limit.on_lost(now, Loss::SomeTooLarge, &[500, 9_000, 700]), Some(9_000));
        limit.on_announced(None);
        assert_eq!(limit.bytes_max(now), PACKET_BYTES_MAX, "another configuration");
    }

    #[test]
    fn silence_is_held_against_size_only_when_it_repeats() {
        let now = Instant::now();
        let mut limit = SizeLimit::default();
        for _ in 0..20 {
            assert_eq!(
                limit.on_lost(now, Loss::Unexplained, &[2_000]),
                None,
                "too small to be why"
            );
            assert_eq!(limit.on_lost(now, Loss::Unexplained, &[]), None);
            assert_eq!(limit.on_lost(now, Loss::Other, &[60_000]), None);
        }
        for _ in 0..20 {
            assert_eq!(limit.on_lost(now, Loss::Unexplained, &[60_000]), None);
            assert_eq!(limit.on_lost(now, Loss::Unexplained, &[50_000, 400]), None);
            limit.on_taken(50_000);
        }
        assert_eq!(limit.on_lost(now, Loss::Unexplained, &[60_000]), None);
        assert_eq!(limit.on_lost(now, Loss::Unexplained, &[60_000]), None);
        limit.on_taken(400);
        assert_eq!(limit.on_lost(now, Loss::Unexplained, &[400, 60_000]), Some(60_000));
        assert_eq!(limit.bytes_max(now), 59_999);
        assert_eq!(limit.bytes_max(now + LEARNT_LASTS), PACKET_BYTES_MAX);
    }
}
