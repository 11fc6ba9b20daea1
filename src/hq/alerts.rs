//! Alerts at headquarters: what is wrong with the shelves of all sites, by all that their nodes have told, and which nodes
//! are silent. The rules are those of a node ([`judge`], [`telling`]).
//!
//! Promises: told once, over when its cause is, also across restarts. Must never: hold up what is taken in.

use super::account::DebtReader;
use super::happenings::Happening;
use super::headquarters::Headquarters;
use super::shelves::SiteShelf;
use super::storage::{Alert, AlertSubject, Reading, StorageError, Writing};
use crate::domain::ids::{NodeId, SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{AlertKind, OpenDebts, Standing, Telling, Transfer, beside, judge, telling};

/// How many shelves one transaction judges.
const STEP: u32 = 64;

/// Why an alert is not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgeError {
    /// There is no such alert, or it was over so long ago that it is no longer kept.
    #[error("there is no alert {0}")]
    Unknown(i64),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Headquarters {
    /// Judges the shelves that have moved, by `low_stock` where a site has set no threshold for an item.
    ///
    /// # Errors
    /// Where storage fails; the rest waits.
    pub fn judge_alerts(&self, low_stock: Quantity, now_ms: u64) -> Result<(), StorageError> {
        while self.judge_some_alerts(low_stock, now_ms)? {}
        Ok(())
    }

    /// Judges some of the shelves that have moved, and says whether there were any. They are read beside what is taken in;
    /// only what there is to tell is written, so that no figure waits for the reading of old records.
    ///
    /// # Errors
    /// Where storage fails; the rest waits.
    pub(super) fn judge_some_alerts(&self, low_stock: Quantity, now_ms: u64) -> Result<bool, StorageError> {
        let judged = self.database.read(|reading| {
            let mut debts = None;
            let due = reading.alerts_due(STEP)?.into_iter();
            let judged = due.map(|due| {
                let wrong = judge_shelf(reading, self.name(), &mut debts, (&due.site, &due.sku), low_stock)?;
                Ok((due, wrong))
            });
            judged.collect::<Result<Vec<_>, StorageError>>()
        })?;
        if judged.is_empty() {
            return Ok(false);
        }
        let told = self.database.write(move |writing| {
            let mut told = false;
            for (due, wrong) in judged {
                for (kind, wrong) in wrong {
                    let subject = AlertSubject {
                        kind,
                        site: due.site.clone(),
                        sku: Some(due.sku.clone()),
                        node: None,
                    };
                    told |= tell(writing, &subject, wrong, now_ms)?;
                }
                writing.remove_alert_due(&due)?;
            }
            Ok::<_, StorageError>(told)
        })?;
        if told {
            self.watch.tell(Happening::Alerts);
        }
        Ok(true)
    }

    /// Says whether a node of a site is silent for too long: `silent` says since when, none where it is heard.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn judge_stale(
        &self,
        site: &SiteId,
        node: &NodeId,
        silent: Option<String>,
        now_ms: u64,
    ) -> Result<(), StorageError> {
        let subject = AlertSubject {
            kind: AlertKind::Stale,
            site: site.clone(),
            sku: None,
            node: Some(node.clone()),
        };
        let open = self.database.read(|reading| reading.open_alert(&subject))?;
        // What was told first stays: it says since when.
        if open.is_some() == silent.is_some() {
            return Ok(());
        }
        self.database
            .write(move |writing| tell(writing, &subject, silent, now_ms).map(drop))?;
        self.watch.tell(Happening::Alerts);
        Ok(())
    }

    /// Alerts, the newest first, from before number `before` on; of one site or of all.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn alerts(
        &self,
        site: Option<&SiteId>,
        cleared: bool,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Alert>, StorageError> {
        self.database
            .read(|reading| reading.alerts(site, cleared, before, limit))
    }
}

/// Keeps that somebody has seen an alert. Whoever saw it first stays.
pub(super) fn acknowledge(writing: &Writing<'_>, id: i64, by: &str, now_ms: u64) -> Result<Alert, AcknowledgeError> {
    let found = writing.alert(id)?.ok_or(AcknowledgeError::Unknown(id))?;
    if found.acknowledged.is_none() {
        writing.acknowledge_alert(id, by, now_ms)?;
        // Goods that went missing on the way stay missing: it is over once somebody has seen it.
        if found.subject.kind == AlertKind::TransferDifference {
            writing.clear_alert(id, now_ms)?;
        }
    }
    writing.alert(id)?.ok_or(AcknowledgeError::Unknown(id))
}

/// Tells of each item of which not so much arrived as another site had sent, where it arrived. It stays until somebody has
/// seen it, and is told once. Gives whether anything was told.
pub(super) fn tell_differences(writing: &Writing<'_>, transfer: &Transfer, now_ms: u64) -> Result<bool, StorageError> {
    let mut told = false;
    let Some(site) = transfer.to() else { return Ok(told) };
    for found in transfer.differences() {
        let subject = AlertSubject {
            kind: AlertKind::TransferDifference,
            site: site.clone(),
            sku: Some(found.sku.clone()),
            node: None,
        };
        let open = writing.open_alert(&subject)?;
        let said = beside(
            open.as_ref().map(|open| open.detail.as_str()),
            &transfer.in_words(&found),
        );
        match (open, said) {
            (_, None) => continue,
            (None, Some(detail)) => writing.raise_alert(&subject, &detail, now_ms)?,
            (Some(open), Some(detail)) => writing.reword_alert(open.id, &detail)?,
        }
        told = true;
    }
    Ok(told)
}

/// Every kind of alert of a shelf with what there is to say, if anything is wrong. `debts` is made at the first debt.
fn judge_shelf<'r, 'c>(
    reading: &'r Reading<'c>,
    headquarters: &'r NodeId,
    debts: &mut Option<DebtReader<'r, 'c>>,
    (site, sku): (&SiteId, &Sku),
    low_stock: Quantity,
) -> Result<[(AlertKind, Option<String>); 5], StorageError> {
    let shelf = SiteShelf::of(reading, site, sku.clone())?;
    // A shelf of which no row has come yet is not known to be empty.
    if shelf.replicas.is_empty() {
        return Ok(AlertKind::OF_ITEMS.map(|kind| (kind, None)));
    }
    let open = if shelf.owed > Quantity::ZERO {
        let reader = match debts.take() {
            Some(reader) => reader,
            None => DebtReader::of(reading, headquarters)?,
        };
        debts.insert(reader).open(site, sku)?
    } else {
        OpenDebts::default()
    };
    Ok(judge(&Standing {
        sku,
        on_hand: shelf.on_hand,
        reserved: shelf.reserved,
        owed: shelf.owed,
        threshold: reading.site_threshold(site, sku)?.unwrap_or(low_stock),
        debts: &open,
        count: reading.count_found(site, sku)?,
    }))
}

/// Raises, says anew or clears one alert. Gives whether anything changed.
fn tell(
    writing: &Writing<'_>,
    subject: &AlertSubject,
    wrong: Option<String>,
    now_ms: u64,
) -> Result<bool, StorageError> {
    let open = writing.open_alert(subject)?;
    let told = open.as_ref().map(|open| open.detail.as_str());
    let (done, detail) = (telling(told, wrong.as_deref()), wrong.unwrap_or_default());
    match (done, open) {
        (Telling::Raise, _) => writing.raise_alert(subject, &detail, now_ms)?,
        (Telling::Reword, Some(open)) => writing.reword_alert(open.id, &detail)?,
        (Telling::Clear, Some(open)) => writing.clear_alert(open.id, now_ms)?,
        (Telling::Leave | Telling::Reword | Telling::Clear, _) => return Ok(false),
    }
    Ok(true)
}
