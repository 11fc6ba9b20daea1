//! Headquarters' own journal: decisions of its operators, chained and signed like any node's.

use super::storage::{Identity, NewBatch, NewOrigin, StorageError, Writing};
use crate::domain::fact::{Entry, Fact, Opened, OpenedReason};
use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::journal::{Hash, Head, RecordId};
use crate::domain::time::Hlc;
use crate::sync::wire::{SigningKey, Slot, StreamState, seal};

/// Opens the journal, with a new key, where there is none. Gives the name under which it was opened.
pub(super) fn open(writing: &Writing<'_>, name: &NodeId, site: &SiteId, now_ms: u64) -> Result<NodeId, StorageError> {
    if let Some(identity) = writing.identity()? {
        return Ok(identity.node);
    }
    begin(writing, name, site, None, now_ms)?;
    Ok(name.clone())
}

/// Goes on in a new incarnation, with a new key, after a restore: what was decided since the backup has the names that
/// the old one would give out again.
pub(super) fn reopen(writing: &Writing<'_>, now_ms: u64) -> Result<Incarnation, StorageError> {
    let missing = || StorageError::Damaged("headquarters' own journal is not there".into());
    let identity = writing.identity()?.ok_or_else(missing)?;
    let before = writing.origin(&identity.node, identity.incarnation)?;
    let before = before.ok_or_else(missing)?;
    writing.clear_own_rows()?;
    begin(
        writing,
        &identity.node,
        &before.site,
        Some((before.acked, identity.recorded)),
        now_ms,
    )
}

fn begin(
    writing: &Writing<'_>,
    name: &NodeId,
    site: &SiteId,
    before: Option<(Head, Hlc)>,
    now_ms: u64,
) -> Result<Incarnation, StorageError> {
    let mut random = [0; 40];
    getrandom::fill(&mut random).map_err(|error| StorageError::Failed(error.to_string()))?;
    let (secret_key, life) = random.split_at(32);
    let counter = before.map_or(1, |(head, _)| head.incarnation.counter.saturating_add(1));
    let identity = Identity {
        node: name.clone(),
        incarnation: Incarnation {
            counter,
            random: u64::from_le_bytes(life.try_into().unwrap_or_default()),
        },
        secret_key: secret_key.try_into().unwrap_or_default(),
        recorded: before.map_or_else(Hlc::default, |(_, recorded)| recorded),
    };
    writing.save_identity(&identity)?;
    let reason = match before {
        None => OpenedReason::First,
        Some(_) => OpenedReason::Restored,
    };
    let opened = Opened {
        node: name.clone(),
        site: site.clone(),
        incarnation: identity.incarnation,
        reason,
        predecessor: before.map(|(head, _)| head),
        public_key: SigningKey::from_bytes(&identity.secret_key).verifying_key().to_bytes(),
    };
    let mut origin = writing.add_origin(&NewOrigin {
        node: name,
        public_key: opened.public_key,
        site,
        state: StreamState::Counted,
        genesis: Head {
            incarnation: identity.incarnation,
            seq: 0,
            hash: Hash::genesis(name, identity.incarnation),
        },
    })?;
    origin.opened = Some((opened.reason, opened.predecessor));
    writing.save_origin(&origin)?;
    append(writing, Fact::Opened(opened), now_ms)?;
    Ok(identity.incarnation)
}

/// Records a fact of headquarters itself. It takes effect like any node's: by projection.
pub(super) fn append(writing: &Writing<'_>, fact: Fact, now_ms: u64) -> Result<RecordId, StorageError> {
    let missing = || StorageError::Damaged("headquarters' own journal is not there".into());
    let mut identity = writing.identity()?.ok_or_else(missing)?;
    let origin = writing.origin(&identity.node, identity.incarnation)?;
    let mut origin = origin.ok_or_else(missing)?;
    let recorded = identity.recorded.next(now_ms);
    let record = Entry { recorded, fact }.encode();
    let key = SigningKey::from_bytes(&identity.secret_key);
    let (seq, before) = (origin.acked.seq + 1, origin.acked.hash);
    let after = before.after(&record);
    let sealed = seal(
        &key,
        &identity.node,
        identity.incarnation,
        seq,
        before,
        &[Slot::Record(record)],
    );
    writing.add_batch(&NewBatch {
        origin: origin.id,
        first: seq,
        last: seq,
        effective_from: seq,
        before,
        after,
        received_ms: now_ms,
        position: Some(writing.last_position()? + 1),
        sealed: &sealed,
    })?;
    origin.acked.seq = seq;
    origin.acked.hash = after;
    origin.told_seq = seq;
    origin.told_ms = now_ms;
    origin.last_heard_ms = now_ms;
    writing.save_origin(&origin)?;
    let incarnation = identity.incarnation;
    let node = identity.node.clone();
    identity.recorded = recorded;
    writing.save_identity(&identity)?;
    Ok(RecordId { node, incarnation, seq })
}
