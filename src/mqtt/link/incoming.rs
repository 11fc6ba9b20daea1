//! Messages that came and are not acknowledged yet. MQTT wants acknowledgements in the order of the messages, and
//! consumers are done in any order: what is done early waits for what is before it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;

/// How many messages a broker may have under way to this client before it waits for acknowledgements.
pub(super) const RECEIVE_MAX: u16 = 100;

/// The right to acknowledge one message to the broker, which then sends another. Dropping it acknowledges.
///
/// Keep it until the message's effect is on disk: that is what holds the broker back when this side is slow. An
/// acknowledgement that comes after its connection has ended does nothing.
#[derive(Debug)]
#[must_use = "dropping it tells the broker that the message is dealt with"]
pub struct AckToken {
    /// Nothing for a message that asks for no acknowledgement.
    of: Option<(Arc<Unacknowledged>, u16)>,
}

impl AckToken {
    /// Tells the broker that the message is dealt with.
    pub fn acknowledge(self) {
        drop(self);
    }
}

impl Drop for AckToken {
    fn drop(&mut self) {
        if let Some((unacknowledged, packet)) = self.of.take() {
            unacknowledged.done(packet);
        }
    }
}

/// The messages of one connection.
pub(super) struct Unacknowledged {
    client: AsyncClient,
    /// Packet ids in the order in which they came, and whether each is dealt with.
    packets: Mutex<VecDeque<(u16, bool)>>,
}

impl std::fmt::Debug for Unacknowledged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unacknowledged")
            .field("packets", &self.packets)
            .finish_non_exhaustive()
    }
}

impl Unacknowledged {
    pub(super) fn new(client: AsyncClient) -> Arc<Self> {
        Arc::new(Self {
            client,
            packets: Mutex::default(),
        })
    }

    /// Takes in a message.
    pub(super) fn came(self: &Arc<Self>, publish: &Publish) -> AckToken {
        if publish.qos == QoS::AtMostOnce {
            return AckToken { of: None };
        }
        let mut packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        packets.push_back((publish.pkid, false));
        AckToken {
            of: Some((Arc::clone(self), publish.pkid)),
        }
    }

    fn done(&self, packet: u16) {
        let mut packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, done)) = packets.iter_mut().find(|(id, done)| *id == packet && !done) {
            *done = true;
        }
        while let Some((id, true)) = packets.front().copied() {
            let publish = Publish {
                qos: QoS::AtLeastOnce,
                pkid: id,
                ..Publish::default()
            };
            // The client's queue has room for every message that may be under way, so this fails only where the
            // connection is gone, and then there is nobody to tell.
            if self.client.try_ack(&publish).is_err() {
                return;
            }
            packets.pop_front();
        }
    }
}
