//! Admit a standby: its key stands in the journal from then on, and it hears whether its copy can go on.

use crate::domain::fact::{Entry, Fact, StandbyAdmitted};
use crate::store::{COPY_VERSION, Device, Failure, Now, Snapshot, StorageError, WriteTransaction};
use crate::sync::wire::{CopyHead, StandbyHere, VerifyingKey};

/// The longest address that is kept.
const ADDRESS_CHARACTERS_MAX: usize = 200;

/// What a standby is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// Its copy goes on from where it is.
    Follow {
        /// The last change of rows that no record gives, which it has.
        change: u64,
    },
    /// It is to take a new copy first.
    TakeBase {
        /// Why, for people.
        reason: String,
    },
    /// It cannot follow, and only a person can help.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// Takes a standby in. A key that is new is recorded, so that whoever reads the journal knows its successor; from the
/// first one on changes of rows that no record gives are noted.
///
/// # Errors
/// Why the store could not keep it.
pub fn admit_standby(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    here: &StandbyHere,
) -> Result<Admitted, Failure<StorageError>> {
    let refused = |reason: String| Ok(Admitted::Refused { reason });
    if here.schema != COPY_VERSION {
        return refused(format!(
            "its database has version {}, and this node's has version {COPY_VERSION}: both must run the same program",
            here.schema
        ));
    }
    if VerifyingKey::from_bytes(&here.public_key).is_err() {
        return refused("its key is not an Ed25519 key".into());
    }
    if here.address.chars().count() > ADDRESS_CHARACTERS_MAX {
        return refused("its address is too long".into());
    }
    let known = tx.standbys()?.into_iter().find(|row| row.device == device.ix);
    if known.as_ref().is_none_or(|row| row.public_key != here.public_key) {
        let recorded = tx.stamp(now);
        let fact = Fact::StandbyAdmitted(StandbyAdmitted {
            name: device.name.clone(),
            public_key: here.public_key,
        });
        tx.append(&Entry { recorded, fact })?;
    }
    tx.note_changes()?;
    if known.is_none_or(|row| row.public_key != here.public_key || row.address != here.address) {
        tx.put_standby(device.ix, here.public_key, &here.address)?;
    }
    match &here.copy {
        None => Ok(Admitted::TakeBase {
            reason: "it has no copy yet".into(),
        }),
        Some(copy) => Ok(compare(tx, copy)?),
    }
}

/// Whether a copy goes on. One is only replaced where this disk has all that it has: what it alone has must not go.
fn compare(snapshot: &Snapshot<'_>, copy: &CopyHead) -> Result<Admitted, StorageError> {
    let Some(newest) = snapshot.incarnations()?.pop() else {
        return Err(StorageError::Inconsistent("no incarnation is open".into()));
    };
    let theirs = copy.head;
    let known = snapshot.incarnation(theirs.incarnation)?;
    let (here, hash) = match &known {
        None => (None, None),
        Some(row) => (Some(row.head.seq), snapshot.kept_hash(row, theirs.seq)?),
    };
    let present = theirs.incarnation == newest.incarnation;
    Ok(match (here, hash) {
        (Some(_), Some(hash)) if hash == theirs.hash && present => {
            if copy.change <= snapshot.last_followed_change()? {
                Admitted::Follow { change: copy.change }
            } else {
                Admitted::TakeBase {
                    reason: "it has rows of a later time than this node".into(),
                }
            }
        }
        (Some(_), Some(hash)) if hash == theirs.hash => Admitted::TakeBase {
            reason: format!("this node writes the incarnation {} by now", newest.incarnation),
        },
        // What is before the first record that is kept was pruned: headquarters has it.
        (Some(head), None) if theirs.seq < head => Admitted::TakeBase {
            reason: "this node has let the records go that follow its last one".into(),
        },
        _ => Admitted::Refused {
            reason: format!(
                "it has records that this node does not have (record {} of incarnation {}): promote it, or empty its \
                 folder where they are not wanted",
                theirs.seq, theirs.incarnation
            ),
        },
    })
}
