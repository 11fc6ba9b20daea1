//! Why the link is down, for people; and what rumqttc's errors mean.

use std::io;
use std::time::Duration;

use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{ConnectionError, StateError, TlsError as LibraryTlsError};

use super::PublishFailed;
use super::size_limit::Loss;
use crate::mqtt::tls::TlsError;

/// Why the link is down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody answers where the broker should be.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// TLS cannot be set up or fails.
    #[error("TLS fails: {0}")]
    Tls(String),
    /// User name, password or certificate are not accepted.
    #[error("the broker does not accept this client's user name, password or certificate")]
    NotAuthorized,
    /// The broker refuses the connection for another reason.
    #[error("the broker refuses the connection: {0}")]
    Refused(String),
    /// The broker does not let this client listen to its topics.
    #[error("the broker refuses the subscription: {0}")]
    SubscriptionRefused(String),
    /// The broker ended the connection and said why.
    #[error("the broker ended the connection: {0}")]
    Ended(String),
    /// The broker ended the connection because of a packet's size.
    #[error("the broker ended the connection because a packet was too large")]
    PacketTooLarge,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The broker does not answer any more.
    #[error("the broker has been silent for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// What came is not MQTT 5 as this client knows it.
    #[error("the broker sent something that cannot be read: {0}")]
    Unreadable(String),
}

impl From<TlsError> for Trouble {
    fn from(error: TlsError) -> Self {
        Self::Tls(error.to_string())
    }
}

/// The reason code with which MQTT says that a packet is too large.
const PACKET_TOO_LARGE: u8 = 0x95;

/// What an error of rumqttc means: why the link is down, what it says of packet sizes, and which reason code the oldest
/// unacknowledged publish was refused with, where rumqttc does not know that code.
pub(super) struct Meaning {
    pub(super) trouble: Trouble,
    pub(super) loss: Loss,
    pub(super) refused_code: Option<u8>,
}

/// Reads an error. `open` says whether the handshake is over; `silence` is how long a broker may be silent.
pub(super) fn meaning(error: ConnectionError, open: bool, silence: Duration) -> Meaning {
    let mut refused_code = None;
    let (trouble, loss) = match error {
        ConnectionError::Timeout(_) => (Trouble::Unreachable("no answer in time".into()), Loss::Other),
        ConnectionError::Tls(error) => (tls(error), Loss::Other),
        ConnectionError::Io(error) if open => (broken(&error), Loss::Unexplained),
        ConnectionError::Io(error) => (unreachable(&error), Loss::Other),
        ConnectionError::ConnectionRefused(code) => (refused(code), Loss::Other),
        ConnectionError::NotConnAck(_) => (Trouble::Unreadable("no CONNACK".into()), Loss::Other),
        ConnectionError::MqttState(state) => match state {
            StateError::AwaitPingResp | StateError::CollisionTimeout => (Trouble::Silent(silence), Loss::Other),
            StateError::ServerDisconnect { reason_code, .. } => match reason_code {
                DisconnectReasonCode::PacketTooLarge => (Trouble::PacketTooLarge, Loss::SomeTooLarge),
                DisconnectReasonCode::NotAuthorized => (Trouble::NotAuthorized, Loss::Other),
                other => (Trouble::Ended(format!("{other:?}")), Loss::Other),
            },
            // mosquitto refuses a payload over its `message_size_limit` with a code that MQTT does not allow in a
            // PUBACK, and rumqttc cannot read it. Acknowledgements come in order: it is the oldest that is meant.
            StateError::Deserialization(PacketError::InvalidConnectReturnCode(PACKET_TOO_LARGE)) if open => {
                (Trouble::PacketTooLarge, Loss::OldestTooLarge)
            }
            StateError::Deserialization(PacketError::InvalidConnectReturnCode(code)) if open => {
                refused_code = Some(code);
                let what = format!("an acknowledgement with reason code {code}");
                (Trouble::Unreadable(what), Loss::Other)
            }
            StateError::Deserialization(PacketError::Io(error)) | StateError::Io(error) => {
                (broken(&error), Loss::Unexplained)
            }
            StateError::ConnectionAborted => (Trouble::Broken("the broker closed it".into()), Loss::Unexplained),
            other => (Trouble::Unreadable(other.to_string()), Loss::Other),
        },
        other => (Trouble::Broken(other.to_string()), Loss::Other),
    };
    Meaning {
        trouble,
        loss,
        refused_code,
    }
}

/// Why a publish was refused, or nothing where it was not.
pub(super) fn publish_refused(reason: PubAckReason) -> Option<PublishFailed> {
    let code = match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => return None,
        PubAckReason::NotAuthorized => return Some(PublishFailed::NotAuthorized),
        PubAckReason::QuotaExceeded => return Some(PublishFailed::QuotaExceeded),
        PubAckReason::UnspecifiedError => 0x80,
        PubAckReason::ImplementationSpecificError => 0x83,
        PubAckReason::TopicNameInvalid => 0x90,
        PubAckReason::PacketIdentifierInUse => 0x91,
        PubAckReason::PayloadFormatInvalid => 0x99,
    };
    Some(PublishFailed::Refused { code })
}

/// Why a subscription was refused, or nothing where it was not.
pub(super) fn subscription_refused(codes: &[SubscribeReasonCode]) -> Option<Trouble> {
    let refused = codes
        .iter()
        .find(|code| !matches!(code, SubscribeReasonCode::Success(_)))?;
    Some(Trouble::SubscriptionRefused(format!("{refused:?}")))
}

fn refused(code: ConnectReturnCode) -> Trouble {
    match code {
        ConnectReturnCode::NotAuthorized
        | ConnectReturnCode::BadUserNamePassword
        | ConnectReturnCode::BadAuthenticationMethod
        | ConnectReturnCode::Banned => Trouble::NotAuthorized,
        other => Trouble::Refused(format!("{other:?}")),
    }
}

fn tls(error: LibraryTlsError) -> Trouble {
    match error {
        LibraryTlsError::Io(error) => unreachable(&error),
        LibraryTlsError::TLS(error) => Trouble::Tls(error.to_string()),
        other => Trouble::Tls(other.to_string()),
    }
}

fn unreachable(error: &io::Error) -> Trouble {
    from_tls(error).unwrap_or_else(|| Trouble::Unreachable(error.to_string()))
}

fn broken(error: &io::Error) -> Trouble {
    from_tls(error).unwrap_or_else(|| Trouble::Broken(error.to_string()))
}

/// A broker's verdict on a certificate comes as an I/O error of the first read, with TLS 1.3.
fn from_tls(error: &io::Error) -> Option<Trouble> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(Trouble::Tls(inner.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(error: StateError) -> (Trouble, Loss, Option<u8>) {
        let silence = Duration::from_secs(30);
        let meaning = meaning(ConnectionError::MqttState(error), true, silence);
        (meaning.trouble, meaning.loss, meaning.refused_code)
    }

    #[test]
    fn reason_codes_of_an_acknowledgement_are_kept_apart() {
        assert_eq!(publish_refused(PubAckReason::Success), None);
        assert_eq!(publish_refused(PubAckReason::NoMatchingSubscribers), None);
        let cases = [
            (PubAckReason::NotAuthorized, PublishFailed::NotAuthorized),
            (PubAckReason::QuotaExceeded, PublishFailed::QuotaExceeded),
            (PubAckReason::UnspecifiedError, PublishFailed::Refused { code: 128 }),
            (PubAckReason::PayloadFormatInvalid, PublishFailed::Refused { code: 153 }),
        ];
        for (reason, failed) in cases {
            assert_eq!(publish_refused(reason), Some(failed));
        }
    }

    #[test]
    fn codes_that_the_library_does_not_know_are_read_from_its_error() {
        let unknown = |code| StateError::Deserialization(PacketError::InvalidConnectReturnCode(code));
        let (trouble, loss, code) = meant(unknown(149));
        assert_eq!(
            (trouble, loss, code),
            (Trouble::PacketTooLarge, Loss::OldestTooLarge, None)
        );
        let (trouble, loss, code) = meant(unknown(200));
        assert!(matches!(trouble, Trouble::Unreadable(_)));
        assert_eq!((loss, code), (Loss::Other, Some(200)));
    }

    #[test]
    fn only_an_end_without_a_word_is_unexplained() {
        assert_eq!(meant(StateError::ConnectionAborted).1, Loss::Unexplained);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(
            meant(StateError::Deserialization(PacketError::Io(reset))).1,
            Loss::Unexplained
        );
        let (trouble, loss, _) = meant(StateError::AwaitPingResp);
        assert_eq!((trouble, loss), (Trouble::Silent(Duration::from_secs(30)), Loss::Other));
        let said = |reason_code| StateError::ServerDisconnect {
            reason_code,
            reason_string: None,
        };
        assert_eq!(meant(said(DisconnectReasonCode::PacketTooLarge)).1, Loss::SomeTooLarge);
        let (trouble, loss, _) = meant(said(DisconnectReasonCode::ServerShuttingDown));
        assert_eq!(
            (trouble, loss),
            (Trouble::Ended("ServerShuttingDown".into()), Loss::Other)
        );
    }
}
