//! Transfers between sites, as headquarters hears of them and tells of them.
//!
//! Promises: what either site did reaches the other through headquarters, in whatever order it came; a site that is away
//! holds up nobody.

use super::alerts::tell_differences;
use super::happenings::Happening;
use super::headquarters::Headquarters;
use super::rights::{self, RightsError};
use super::site_news::tell_transfer;
use super::storage::{KnownTransfer, StorageError, Writing};
use crate::domain::fact::Fact;
use crate::domain::ids::SiteId;
use crate::domain::stock::{By, Transfer, TransferCalledOff, TransferId, TransferRequested, TransferState};

/// Why nothing is done about a transfer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// There is none of that identity.
    #[error("there is no transfer {0}")]
    Unknown(TransferId),
    /// Something has left, or it is over.
    #[error("the transfer {0} is further, or over")]
    Further(TransferId),
    /// It was asked for before, so long ago that the answer is no longer kept.
    #[error("the transfer {0} was asked for before")]
    Used(TransferId),
    /// Storage failed.
    #[error(transparent)]
    Rights(#[from] RightsError),
}

impl From<StorageError> for TransferError {
    fn from(error: StorageError) -> Self {
        Self::Rights(error.into())
    }
}

impl Headquarters {
    /// A transfer.
    pub(super) fn transfer(&self, id: TransferId) -> Result<Option<KnownTransfer>, StorageError> {
        self.database.read(|reading| reading.transfer(id))
    }

    /// Transfers in the order of their identities, behind `after`: from or to one site, or all; those that are over, or
    /// those that are not.
    pub(super) fn transfers(
        &self,
        site: Option<SiteId>,
        over: bool,
        after: Option<TransferId>,
        limit: u32,
    ) -> Result<Vec<KnownTransfer>, StorageError> {
        self.database
            .read(|reading| reading.transfers(site.as_ref(), over, after, limit))
    }
}

/// Asks for goods to go from one site to another.
pub(super) fn request(
    writing: &Writing<'_>,
    requested: TransferRequested,
    now_ms: u64,
) -> Result<KnownTransfer, TransferError> {
    let id = requested.id;
    if writing.transfer(id)?.is_some() {
        return Err(TransferError::Used(id));
    }
    rights::record(writing, Fact::TransferRequested(requested.clone()), now_ms)?;
    let requested = Some(requested);
    keep(
        writing,
        Transfer {
            requested,
            ..Transfer::new(id)
        },
        now_ms,
    )
}

/// Calls a transfer off of which nothing has left, as far as is known here.
pub(super) fn call_off(
    writing: &Writing<'_>,
    id: TransferId,
    by: By,
    now_ms: u64,
) -> Result<KnownTransfer, TransferError> {
    let known = writing.transfer(id)?.ok_or(TransferError::Unknown(id))?;
    if known.transfer.state() != TransferState::Requested {
        return Err(TransferError::Further(id));
    }
    let called_off = TransferCalledOff { id, by };
    rights::record(writing, Fact::TransferCalledOff(called_off.clone()), now_ms)?;
    let called_off = Some(called_off);
    keep(
        writing,
        Transfer {
            called_off,
            ..known.transfer
        },
        now_ms,
    )
}

/// Takes in what somebody did about a transfer, as it stands in a journal: it may be met more than once. Gives what is
/// worth telling.
pub(super) fn take(writing: &Writing<'_>, heard: &Transfer, now_ms: u64) -> Result<Vec<Happening>, StorageError> {
    let known = writing.transfer(heard.id)?;
    let mut transfer = known.map_or_else(|| Transfer::new(heard.id), |known| known.transfer);
    if !transfer.merge(heard) {
        return Ok(Vec::new());
    }
    tell_transfer(writing, &transfer, now_ms)?;
    let sites = [transfer.from(), transfer.to()].into_iter().flatten();
    let mut happenings: Vec<Happening> = sites.cloned().map(Happening::Site).collect();
    if tell_differences(writing, &transfer, now_ms)? {
        happenings.push(Happening::Alerts);
    }
    Ok(happenings)
}

fn keep(writing: &Writing<'_>, transfer: Transfer, now_ms: u64) -> Result<KnownTransfer, TransferError> {
    tell_transfer(writing, &transfer, now_ms)?;
    writing
        .transfer(transfer.id)?
        .ok_or(TransferError::Unknown(transfer.id))
}
