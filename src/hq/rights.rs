//! Headquarters as a holder of rights: what its online channels may promise of each site's goods.
//!
//! Promises: its own rows are the fold of its own journal by the facts' effects; nothing that it hands on is sent before
//! it is on disk; what a node hands on to it is taken over in the transaction that takes the node's record in. Must never:
//! promise what it has no rights to, whatever a site's figures say.

use std::collections::BTreeMap;

use super::happenings::{Happening, RightsMoved};
use super::headquarters::Headquarters;
use super::own_journal;
use super::pickups;
use super::storage::{Identity, Reading, StorageError, Writing};
use crate::domain::escrow::{Amount, Grant, GrantStep, Refusal, ReplicaId, Row, Shelf};
use crate::domain::fact::Fact;
use crate::domain::ids::{SiteId, Sku};
use crate::domain::journal::RecordId;
use crate::domain::stock::{
    Accepted, GrantLine, Granted, HandedHold, Hold, HoldEnd, HoldEnded, HoldId, HoldOpened, effects,
};

/// How many steps of one shelf are sent again at once.
const STEPS_MAX: u32 = 64;
/// How many holds one step ends, so that nothing waits long behind it.
const EXPIRED_STEP: u32 = 100;
/// How often the running time is noted while holds are open.
const NOTE_EVERY_MS: u64 = 60_000;

/// Why headquarters does not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RightsError {
    /// Its rights do not allow it.
    #[error("{sku} of {site}: {refusal}")]
    Refused {
        /// The site.
        site: SiteId,
        /// The item.
        sku: Sku,
        /// Why.
        refusal: Refusal,
    },
    /// There is no such open hold.
    #[error("headquarters has no open hold {0}")]
    NotOpen(HoldId),
    /// A hold of that identity is open already.
    #[error("the hold {0} is open already")]
    Used(HoldId),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why no rights are handed on.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    /// Headquarters' own rights do not allow it, or storage failed.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// The receiver is retired: nobody would ever take it over.
    #[error("{0} is retired")]
    Retired(ReplicaId),
}

impl From<StorageError> for GiveError {
    fn from(error: StorageError) -> Self {
        Self::Rights(error.into())
    }
}

/// A shelf on which a node has not taken over all: what was handed on to it in all, the request of the last step, the own
/// row.
pub type Outstanding = (SiteId, Sku, Amount, Option<u64>, Row);

/// What was handed on, and where the own row stands then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// What was handed on to the receiver in all.
    pub total: Amount,
    /// The own row.
    pub row: Row,
}

impl Headquarters {
    /// The replica that headquarters is.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn replica(&self) -> Result<ReplicaId, StorageError> {
        self.database.read(replica)
    }

    /// Its own row of a shelf.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn own_row(&self, site: &SiteId, sku: &Sku) -> Result<Row, StorageError> {
        self.database.read(|reading| reading.own_row(site, sku))
    }

    /// Every shelf on which it has a row.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn own_rows(&self) -> Result<Vec<(SiteId, Sku, Row)>, StorageError> {
        self.database.read(|reading| reading.own_rows())
    }

    /// Hands rights on to a node. A request that was answered before is not answered again.
    ///
    /// # Errors
    /// [`GiveError`]; nothing is handed on then.
    pub fn give(
        &self,
        to: ReplicaId,
        (site, sku): (SiteId, Sku),
        amount: Amount,
        request: Option<u64>,
        now_ms: u64,
    ) -> Result<Given, GiveError> {
        let given = self.database.write(move |writing| {
            let before = writing.own_row(&site, &sku)?.given(&to);
            let again = match request {
                Some(request) => writing.is_granted(&to, (&site, &sku), request)?,
                None => false,
            };
            if !again {
                // It may have been retired while its wish was waiting.
                if writing.retired(&to)?.is_some() {
                    return Err(GiveError::Retired(to));
                }
                let after = before.checked_add(amount).unwrap_or(Amount::MAX);
                let granted = Granted {
                    to: to.clone(),
                    site: site.clone(),
                    request,
                    lines: vec![GrantLine {
                        sku: sku.clone(),
                        grant: Grant { before, after },
                    }],
                    hold: None,
                };
                record(writing, Fact::Granted(granted.clone()), now_ms)?;
                writing.add_granted(&granted)?;
            }
            let row = writing.own_row(&site, &sku)?;
            let total = row.given(&to);
            Ok(Given { total, row })
        });
        self.own_rows.notify_one();
        given
    }

    /// What a node has not taken over of a shelf, behind a total.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn grants_behind(
        &self,
        to: &ReplicaId,
        site: &SiteId,
        sku: &Sku,
        total: Amount,
    ) -> Result<Vec<Granted>, StorageError> {
        self.database
            .read(|reading| reading.grants_behind(to, (site, sku), total, STEPS_MAX))
    }

    /// What a node has not taken over: the shelf, what was handed on in all, the request of the last step, the own row.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn grants_outstanding(&self, to: &ReplicaId) -> Result<Vec<Outstanding>, StorageError> {
        self.database.read(|reading| {
            let steps = reading.grants_outstanding(to)?.into_iter();
            steps
                .map(|(site, sku, total, request)| {
                    let row = reading.own_row(&site, &sku)?;
                    Ok((site, sku, total, request, row))
                })
                .collect()
        })
    }

    /// An open hold of an online channel.
    ///
    /// # Errors
    /// Where storage fails.
    pub(super) fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, RightsError> {
        Ok(self.database.read(|reading| reading.own_hold(id))?)
    }

    /// Opens a hold of an online channel with the rights that are here: all lines, or none.
    ///
    /// # Errors
    /// [`RightsError`]; nothing is held then.
    pub fn hold(&self, opened: HoldOpened, now_ms: u64) -> Result<Hold, RightsError> {
        let running_ms = self.running_ms();
        let held = self
            .database
            .write(move |writing| open_hold(writing, opened, running_ms, now_ms));
        self.own_rows.notify_one();
        held
    }

    /// Gives a hold of an online channel up: what it held can be promised again.
    ///
    /// # Errors
    /// [`RightsError`]; nothing is changed then.
    pub fn release_hold(&self, id: HoldId, now_ms: u64) -> Result<Hold, RightsError> {
        let released = self.database.write(move |writing| end_hold(writing, id, now_ms));
        self.own_rows.notify_one();
        released
    }

    /// Ends holds whose time has run out. Gives how many, and what they held.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn expire_holds(&self, now_ms: u64) -> Result<Vec<Hold>, RightsError> {
        let running_ms = self.running_ms();
        let due = self
            .database
            .read(|reading| reading.own_holds_run_out(running_ms, EXPIRED_STEP))?;
        if due.is_empty() {
            return self.note_running(running_ms).map(|()| due).map_err(Into::into);
        }
        let (expired, sites) = self.database.write(move |writing| {
            let mut sites = Vec::new();
            for hold in &due {
                end(writing, hold, HoldEnd::Expired, now_ms)?;
                sites.extend(pickups::lapsed(writing, hold.opened.id, now_ms)?);
            }
            writing.note_running_ms(running_ms)?;
            Ok::<_, RightsError>((due, sites))
        })?;
        self.own_rows.notify_one();
        for site in sites {
            self.watch.tell(Happening::Site(site));
        }
        Ok(expired)
    }

    /// Notes how long headquarters has run, from time to time while holds are open: what a restart lengthens them by.
    fn note_running(&self, running_ms: u64) -> Result<(), StorageError> {
        let due = self.database.read(|reading| {
            let noted_ms = reading.noted_running_ms()?;
            let due = running_ms.saturating_sub(noted_ms) >= NOTE_EVERY_MS;
            Ok::<_, StorageError>(due && !reading.own_holds(None, 1)?.is_empty())
        })?;
        if due {
            self.database
                .write(move |writing| writing.note_running_ms(running_ms))?;
        }
        Ok(())
    }

    /// Open holds in the order of their identities, behind `after`.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn holds(&self, after: Option<HoldId>, limit: u32) -> Result<Vec<Hold>, StorageError> {
        self.database.read(|reading| reading.own_holds(after, limit))
    }
}

/// The replica that headquarters is at present.
pub(super) fn replica(reading: &Reading<'_>) -> Result<ReplicaId, StorageError> {
    let missing = || StorageError::Damaged("headquarters' own journal is not there".into());
    let Identity { node, incarnation, .. } = reading.identity()?.ok_or_else(missing)?;
    Ok(ReplicaId { node, incarnation })
}

/// Records a fact of headquarters itself, and moves its own rows by it.
pub(super) fn record(writing: &Writing<'_>, fact: Fact, now_ms: u64) -> Result<RecordId, RightsError> {
    let mut rows: BTreeMap<(SiteId, Sku), Row> = BTreeMap::new();
    for effect in effects(&fact) {
        let Some(site) = effect.site else { continue };
        let key = (site.clone(), effect.sku.clone());
        let mut row = match rows.remove(&key) {
            Some(row) => row,
            None => writing.own_row(site, effect.sku)?,
        };
        let moved = effect.verb.apply(&mut row, &Shelf::default());
        rows.insert(key, row);
        moved.map_err(|refusal| RightsError::Refused {
            site: site.clone(),
            sku: effect.sku.clone(),
            refusal,
        })?;
    }
    let record = own_journal::append(writing, fact, now_ms)?;
    for ((site, sku), row) in &rows {
        writing.save_own_row((site, sku), row, record.seq)?;
    }
    Ok(record)
}

/// Takes over what a node has handed on to headquarters, as far as it is the next step. It may be met more than once.
pub(super) fn accept(
    writing: &Writing<'_>,
    from: &ReplicaId,
    granted: &Granted,
    now_ms: u64,
) -> Result<Option<Happening>, StorageError> {
    if granted.to != replica(writing)? || granted.hold.is_some() {
        return Ok(None);
    }
    let mut lines = Vec::new();
    for line in &granted.lines {
        let row = writing.own_row(&granted.site, &line.sku)?;
        if matches!(line.grant.step(&row, from), GrantStep::Take(_)) {
            lines.push(line.clone());
        }
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let skus = lines.iter().map(|line| line.sku.clone()).collect();
    let accepted = Fact::Accepted(Accepted {
        from: from.clone(),
        site: granted.site.clone(),
        lines,
        hold: None,
    });
    record(writing, accepted, now_ms).map_err(|error| StorageError::Failed(error.to_string()))?;
    Ok(Some(Happening::Rights(RightsMoved::Accepted {
        from: from.clone(),
        site: granted.site.clone(),
        request: granted.request,
        skus,
    })))
}

/// Notes what a node has taken over of what headquarters had handed on to it.
pub(super) fn taken_over(
    writing: &Writing<'_>,
    by: &ReplicaId,
    accepted: &Accepted,
) -> Result<Option<Happening>, StorageError> {
    if accepted.from != replica(writing)? {
        return Ok(None);
    }
    for line in &accepted.lines {
        writing.forget_granted(by, (&accepted.site, &line.sku), line.grant.after)?;
    }
    Ok(Some(Happening::Rights(RightsMoved::TakenOver {
        by: by.clone(),
        site: accepted.site.clone(),
        lines: accepted.lines.clone(),
    })))
}

/// Opens a hold of an online channel: all lines, or none.
pub(super) fn open_hold(
    writing: &Writing<'_>,
    opened: HoldOpened,
    running_ms: u64,
    now_ms: u64,
) -> Result<Hold, RightsError> {
    if writing.own_hold(opened.id)?.is_some() {
        return Err(RightsError::Used(opened.id));
    }
    record(writing, Fact::HoldOpened(opened.clone()), now_ms)?;
    let hold = Hold {
        expires_at_ms: running_ms.saturating_add(opened.lifetime_ms),
        opened,
    };
    writing.save_own_hold(&hold)?;
    writing.note_running_ms(running_ms)?;
    Ok(hold)
}

/// The shortest that a hold lasts for whoever takes it over, in milliseconds.
const HANDED_MS_MIN: u64 = 1_000;

/// Hands a hold over to a node with its rights, in one record: here it is no longer, and there it is once the node has
/// taken it over. It is sent, again and again, like any grant.
pub(super) fn hand_over(writing: &Writing<'_>, to: &ReplicaId, hold: &Hold, now_ms: u64) -> Result<(), RightsError> {
    let opened = &hold.opened;
    let mut lines = Vec::with_capacity(opened.lines.len());
    for held in &opened.lines {
        let before = writing.own_row(&opened.site, &held.sku)?.given(to);
        let amount = Amount::try_from(held.quantity).unwrap_or_default();
        let after = before.checked_add(amount).unwrap_or(Amount::MAX);
        lines.push(GrantLine {
            sku: held.sku.clone(),
            grant: Grant { before, after },
        });
    }
    // By the time that was noted last: what has passed since lengthens the hold.
    let left_ms = hold.remaining_ms(writing.noted_running_ms()?).max(HANDED_MS_MIN);
    let granted = Granted {
        to: to.clone(),
        site: opened.site.clone(),
        request: None,
        lines,
        hold: Some(HandedHold {
            opened: HoldOpened {
                lifetime_ms: left_ms,
                ..opened.clone()
            },
        }),
    };
    record(writing, Fact::Granted(granted.clone()), now_ms)?;
    writing.add_granted(&granted)?;
    Ok(writing.remove_own_hold(opened.id)?)
}

/// Gives a hold up: what it held can be promised again.
pub(super) fn end_hold(writing: &Writing<'_>, id: HoldId, now_ms: u64) -> Result<Hold, RightsError> {
    let hold = writing.own_hold(id)?.ok_or(RightsError::NotOpen(id))?;
    end(writing, &hold, HoldEnd::Released, now_ms)?;
    Ok(hold)
}

fn end(writing: &Writing<'_>, hold: &Hold, end: HoldEnd, now_ms: u64) -> Result<(), RightsError> {
    let ended = Fact::HoldEnded(HoldEnded {
        id: hold.opened.id,
        site: hold.opened.site.clone(),
        end,
        lines: hold.opened.lines.clone(),
    });
    record(writing, ended, now_ms)?;
    Ok(writing.remove_own_hold(hold.opened.id)?)
}
