//! One connection from its first byte to its last: handshake, messages, farewell.
//!
//! Each has a client and an event loop of its own, with a clean session: whatever rumqttc still has queued when a
//! connection ends, to send it again by itself, ends with it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rumqttc::Outgoing as Written;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Filter, Packet, PubAck, Publish as PublishPacket};
use rumqttc::v5::{AsyncClient, ConnectionError, Event};
use tokio::time::Instant;

use super::client::{CONNECT_TIMEOUT, Polled, REQUESTS_MAX, options, polls};
use super::incoming::Unacknowledged;
use super::mailbox::Mailbox;
use super::outgoing::{Outgoing, Purpose};
use super::size_limit::{Loss, SizeLimit, packet_bytes};
use super::trouble::{self, Meaning};
use super::{Command, Connected, Link, LinkEvent, Message, Presence, PublishFailed, Trouble, told_to_stop};
use crate::mqtt::config::LinkConfig;
use crate::mqtt::topics::{self, Topic};

/// How long a farewell may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(3);
/// What a packet has beside its payload, at most: header, lengths, packet id and our longest topic.
const ENVELOPE_BYTES_MAX: u32 = 128;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was told to, or has nobody to serve.
    Stopped,
    /// It was lost, or never came to stand.
    Failed {
        /// Why.
        trouble: Trouble,
        /// How long it stood.
        open_for: Option<Duration>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Subscribing,
    Announcing,
    Open { since: Instant },
    Leaving,
}

impl Link {
    /// Connects, and serves the connection until it ends.
    pub(super) async fn connect(&mut self) -> Ended {
        // 0 is what a wire message says of nobody's session.
        let session = (self.random)().max(1);
        let presence = (self.presence)(session);
        let options = match options(&self.config, &self.client_id, &presence).await {
            Ok(options) => options,
            Err(trouble) => {
                return Ended::Failed {
                    trouble,
                    open_for: None,
                };
            }
        };
        let (client, event_loop) = AsyncClient::new(options, REQUESTS_MAX);
        let mut polls = pin!(polls(event_loop));
        let mut connection = Connection::new(session, presence, client, &self.config);
        loop {
            let (mailbox, size_limit) = (&mut self.mailbox, &mut self.size_limit);
            let reading = connection.may_read(mailbox);
            let step = tokio::select! {
                () = told_to_stop(&mut self.stop), if connection.stage != Stage::Leaving => connection.leave(),
                polled = polls.next(), if reading => match polled {
                    Some(Polled::Event(event)) => connection.on_event(event, mailbox, size_limit),
                    Some(Polled::Over(error, rest)) => connection.on_over(error, rest, mailbox, size_limit),
                    None => connection.fail(Trouble::Broken("rumqttc has ended".into()), Loss::Other, size_limit),
                },
                delivered = mailbox.deliver(), if connection.stage != Stage::Leaving => match delivered {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_nobody_listens) => connection.leave(),
                },
                command = self.commands.recv(), if connection.takes_commands(reading) => match command {
                    Some(command) => connection.on_command(command, reading, size_limit),
                    None => connection.leave(),
                },
                () = tokio::time::sleep_until(connection.deadline()), if reading => connection.on_deadline(size_limit),
            };
            if let Some(packet_bytes_max) = connection.opened.take() {
                self.trouble = None;
                tracing::info!(client = %self.client_id, packet_bytes_max, "link stands");
            }
            if let ControlFlow::Break(ended) = step {
                return ended;
            }
        }
    }
}

type Step = ControlFlow<Ended>;

/// What is known of one connection while it lasts.
struct Connection<'a> {
    config: &'a LinkConfig,
    session: u64,
    presence: Presence,
    client: AsyncClient,
    stage: Stage,
    /// When the handshake began; it is not for ever.
    started: Instant,
    last_heard: Instant,
    leave_by: Instant,
    /// How long the broker may be silent.
    silence_max: Duration,
    outgoing: Outgoing,
    unacknowledged: Arc<Unacknowledged>,
    /// Messages from between the subscription and the end of the handshake.
    early: VecDeque<LinkEvent>,
    /// The largest packet, once, when the handshake is over.
    opened: Option<u32>,
}

impl<'a> Connection<'a> {
    fn new(session: u64, presence: Presence, client: AsyncClient, config: &'a LinkConfig) -> Self {
        let now = Instant::now();
        Self {
            config,
            session,
            presence,
            unacknowledged: Unacknowledged::new(client.clone()),
            client,
            stage: Stage::Connecting,
            started: now,
            last_heard: now,
            leave_by: now,
            silence_max: config.broker.keep_alive.interval() * 2,
            outgoing: Outgoing::new(1),
            early: VecDeque::new(),
            opened: None,
        }
    }

    /// Whether there is room for what the broker sends. Where there is none its silence is our own doing.
    fn may_read(&mut self, mailbox: &Mailbox) -> bool {
        let room = self.stage == Stage::Leaving || mailbox.room() > self.early.len();
        if !room {
            self.last_heard = Instant::now();
            self.started = self.last_heard;
        }
        room
    }

    /// Whether the next publish may be taken: while nothing can be sent all are, to tell their callers so. A caller that
    /// waited for room while the link waits for it to take events would wait for ever.
    fn takes_commands(&self, reading: bool) -> bool {
        match self.stage {
            Stage::Connecting | Stage::Subscribing | Stage::Announcing => true,
            Stage::Open { .. } => !reading || self.outgoing.has_room(),
            Stage::Leaving => false,
        }
    }

    fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Connecting | Stage::Subscribing | Stage::Announcing => {
                self.started + CONNECT_TIMEOUT + self.silence_max
            }
            Stage::Open { .. } => self.last_heard + self.silence_max,
            Stage::Leaving => self.leave_by,
        }
    }

    fn on_deadline(&mut self, size_limit: &mut SizeLimit) -> Step {
        self.fail(Trouble::Silent(self.silence_max), Loss::Other, size_limit)
    }

    fn on_event(&mut self, event: Event, mailbox: &mut Mailbox, size_limit: &mut SizeLimit) -> Step {
        let packet = match event {
            Event::Incoming(packet) => packet,
            Event::Outgoing(Written::Publish(packet)) => {
                self.outgoing.on_written(packet);
                return Step::Continue(());
            }
            Event::Outgoing(Written::Disconnect) => return Step::Break(Ended::Stopped),
            Event::Outgoing(_) => return Step::Continue(()),
        };
        self.last_heard = Instant::now();
        match packet {
            Packet::ConnAck(connack) => self.on_connack(&connack, size_limit),
            Packet::SubAck(suback) => match trouble::subscription_refused(&suback.return_codes) {
                Some(refused) => return self.fail(refused, Loss::Other, size_limit),
                None => self.announce(),
            },
            Packet::PubAck(puback) => self.on_puback(&puback, mailbox, size_limit),
            Packet::Publish(publish) => self.on_message(&publish, mailbox),
            _ => {}
        }
        Step::Continue(())
    }

    fn on_connack(&mut self, connack: &ConnAck, size_limit: &mut SizeLimit) {
        let properties = connack.properties.as_ref();
        size_limit.on_announced(properties.and_then(|p| p.max_packet_size).filter(|bytes| *bytes > 0));
        self.outgoing = Outgoing::new(properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX));
        if let Some(seconds) = properties.and_then(|p| p.server_keep_alive) {
            self.silence_max = Duration::from_secs(u64::from(seconds.max(1)) * 2);
        }
        let filters = topics::filters(&self.config.org, &self.config.role);
        let filters = filters.into_iter().map(|path| Filter::new(path, QoS::AtLeastOnce));
        // Here and below: rumqttc's queue has room for all that we ever hand to it, so this fails only where the
        // connection is gone, which polling tells next.
        let _ = self.client.try_subscribe_many(filters);
        self.stage = Stage::Subscribing;
    }

    fn announce(&mut self) {
        let topic = topics::presence(&self.config.role).path(&self.config.org);
        let here = std::mem::take(&mut self.presence.here);
        self.publish(topic, here, true, Purpose::Here);
        self.stage = Stage::Announcing;
    }

    fn on_puback(&mut self, puback: &PubAck, mailbox: &mut Mailbox, size_limit: &mut SizeLimit) {
        let Some((bytes, purpose)) = self.outgoing.on_acknowledged(puback.pkid) else {
            return;
        };
        let refused = trouble::publish_refused(puback.reason);
        if refused.is_none() {
            size_limit.on_taken(bytes);
        }
        match purpose {
            Purpose::Caller(answer) => {
                // Whoever dropped the receipt does not want to know.
                let _ = answer.send(refused.map_or(Ok(()), Err));
            }
            Purpose::Here => {
                if let Some(refused) = refused {
                    tracing::warn!("the broker does not take this side's presence: {refused}");
                }
                self.open(mailbox, size_limit);
            }
            Purpose::Gone => {
                let _ = self.client.try_disconnect();
            }
        }
    }

    fn open(&mut self, mailbox: &mut Mailbox, size_limit: &SizeLimit) {
        let now = Instant::now();
        let packet_bytes_max = size_limit.bytes_max(now.into_std());
        self.stage = Stage::Open { since: now };
        self.opened = Some(packet_bytes_max);
        mailbox.push(LinkEvent::Connected(Connected {
            session: self.session,
            payload_bytes_max: packet_bytes_max.saturating_sub(ENVELOPE_BYTES_MAX),
            publishes_max: self.outgoing.window(),
        }));
        for event in self.early.drain(..) {
            mailbox.push(event);
        }
    }

    fn on_message(&mut self, publish: &PublishPacket, mailbox: &mut Mailbox) {
        let token = self.unacknowledged.came(publish);
        let text = String::from_utf8_lossy(&publish.topic);
        let topic = match Topic::parse(&self.config.org, &text) {
            Ok(topic) => topic,
            Err(error) => {
                tracing::debug!("message passed over: {error}");
                return;
            }
        };
        let event = LinkEvent::Message(Message {
            topic,
            payload: publish.payload.to_vec(),
            retained: publish.retain,
            token,
        });
        match self.stage {
            Stage::Open { .. } => mailbox.push(event),
            Stage::Leaving => {}
            Stage::Connecting | Stage::Subscribing | Stage::Announcing => self.early.push_back(event),
        }
    }

    fn on_command(&mut self, command: Command, reading: bool, size_limit: &SizeLimit) -> Step {
        let Command { publish, answer } = command;
        let open = matches!(self.stage, Stage::Open { .. });
        let topic = publish.topic.path(&self.config.org);
        let bytes = packet_bytes(topic.len(), publish.payload.len());
        let refused = if !open || publish.session != self.session {
            PublishFailed::Disconnected
        } else if !reading {
            PublishFailed::Congested
        } else if bytes > size_limit.bytes_max(Instant::now().into_std()) {
            PublishFailed::TooLarge { bytes }
        } else {
            self.publish(topic, publish.payload, publish.retain, Purpose::Caller(answer));
            return Step::Continue(());
        };
        let _ = answer.send(Err(refused));
        Step::Continue(())
    }

    fn publish(&mut self, topic: String, payload: Vec<u8>, retain: bool, purpose: Purpose) {
        let bytes = packet_bytes(topic.len(), payload.len());
        if self
            .client
            .try_publish(topic, QoS::AtLeastOnce, retain, payload)
            .is_ok()
        {
            self.outgoing.push(bytes, purpose);
        }
    }

    /// Says goodbye where there is anybody to say it to.
    fn leave(&mut self) -> Step {
        if !matches!(self.stage, Stage::Open { .. }) {
            return Step::Break(Ended::Stopped);
        }
        self.stage = Stage::Leaving;
        self.leave_by = Instant::now() + FAREWELL_TIMEOUT;
        let topic = topics::presence(&self.config.role).path(&self.config.org);
        let gone = std::mem::take(&mut self.presence.gone);
        self.publish(topic, gone, true, Purpose::Gone);
        Step::Continue(())
    }

    /// rumqttc gave up the connection; what it had read before comes first.
    fn on_over(
        &mut self,
        error: ConnectionError,
        rest: Vec<Event>,
        mailbox: &mut Mailbox,
        size_limit: &mut SizeLimit,
    ) -> Step {
        for event in rest {
            self.on_event(event, mailbox, size_limit)?;
        }
        let open = !matches!(self.stage, Stage::Connecting);
        let Meaning {
            trouble,
            loss,
            refused_code,
        } = trouble::meaning(error, open, self.silence_max);
        if let Some(code) = refused_code {
            self.outgoing.refuse_oldest(PublishFailed::Refused { code });
        }
        self.fail(trouble, loss, size_limit)
    }

    /// Ends the connection. Callers whose publishes are still under way learn it when this is dropped.
    fn fail(&mut self, trouble: Trouble, loss: Loss, size_limit: &mut SizeLimit) -> Step {
        let now = Instant::now();
        let too_large = size_limit.on_lost(now.into_std(), loss, &self.outgoing.sizes());
        if let Some(from_bytes) = too_large {
            self.outgoing.refuse_from(from_bytes);
        }
        Step::Break(match self.stage {
            Stage::Leaving => Ended::Stopped,
            Stage::Open { since } => Ended::Failed {
                trouble,
                open_for: Some(now - since),
            },
            _ => Ended::Failed {
                trouble,
                open_for: None,
            },
        })
    }
}
