//! Verify: checks the ledger's chains and signatures, makes every figure again from the ledger, and names whatever
//! differs. It changes nothing: it works on a copy, so headquarters may be running.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Mutex;

use super::backup::{CopyError, copy_private, database_path, remove};
use super::happenings::Watch;
use super::headquarters::{Admission, Headquarters, Running};
use super::projection::{Projection, unpack};
use super::storage::{DailyTotal, Database, Hole, LedgerBatch, Origin, Reading, SalesOfDay, StorageError};
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{Incarnation, NodeId, SiteId, Sku};
use crate::domain::journal::{Hash, Head};
use crate::domain::money::Currency;
use crate::domain::quantity::Quantity;
use crate::domain::stock::HoldId;
use crate::domain::time::BusinessDay;
use crate::sync::hub_judge;
use crate::sync::wire::{Batch, VerifyingKey};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifiedHq {
    /// How many incarnations the ledger has.
    pub incarnations: u64,
    /// How many records it has.
    pub records: u64,
    /// How many sales and refunds count.
    pub sales: u64,
    /// What differs.
    pub differences: Vec<HqDifference>,
}

/// One thing that is not as the ledger says, or a place where the ledger itself is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HqDifference {
    /// A part of the ledger does not continue what is before it, or cannot be read.
    #[error("the ledger of {node} in incarnation {incarnation} breaks at record {seq}: {reason}")]
    Ledger {
        /// The node.
        node: NodeId,
        /// The incarnation.
        incarnation: Incarnation,
        /// The first record that is not as it should be.
        seq: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The totals of a site, a day and a currency.
    #[error("the totals of {site} on {day} in {currency} are {stored}, and {ledger} by the ledger")]
    Totals {
        /// The site.
        site: SiteId,
        /// The business day.
        day: BusinessDay,
        /// The currency.
        currency: Currency,
        /// As stored, in words.
        stored: String,
        /// As the ledger says.
        ledger: String,
    },
    /// The sales and refunds of a site and day, one by one.
    #[error("the sales of {site} on {day} are {stored}, and {ledger} by the ledger")]
    Sales {
        /// The site.
        site: SiteId,
        /// The business day.
        day: BusinessDay,
        /// As stored, in words.
        stored: String,
        /// As the ledger says.
        ledger: String,
    },
    /// An item's stock.
    #[error("the stock of {sku} at {site} is {stored}, and {ledger} by the ledger")]
    Stock {
        /// The site.
        site: SiteId,
        /// The item.
        sku: Sku,
        /// As stored.
        stored: Quantity,
        /// As the ledger says.
        ledger: Quantity,
    },
    /// A row of headquarters itself.
    #[error("headquarters' own rights to {sku} at {site} are not as its journal says")]
    OwnShelf {
        /// The site.
        site: SiteId,
        /// The item.
        sku: Sku,
    },
    /// What a retired replica left.
    #[error("what {replica} left of {sku} and nobody may promise is {stored}, and {ledger} by headquarters' journal")]
    Unpromised {
        /// The replica.
        replica: ReplicaId,
        /// The item.
        sku: Sku,
        /// As stored.
        stored: Quantity,
        /// As the journal says.
        ledger: Quantity,
    },
    /// A hold of an online channel.
    #[error("whether the hold {0} of an online channel is open is not as headquarters' journal says")]
    OwnHold(HoldId),
}

/// Checks the database of a data folder at one moment. The copy stands beside it meanwhile, so there must be room for
/// it. What the figures had not taken in yet is not held against them.
///
/// # Errors
/// Where the database cannot be copied or read.
pub fn verify(folder: &Path) -> Result<VerifiedHq, CopyError> {
    let copy = folder.join(format!("hq.verifying-{}.db", std::process::id()));
    let found = copy_private(&database_path(folder), &copy).and_then(|()| verify_copy(&copy));
    // A copy that stays behind tells by its name what it is.
    if let Err(error) = remove(&copy) {
        tracing::warn!(%error, file = %copy.display(), "a copy could not be removed");
    }
    found
}

fn verify_copy(copy: &Path) -> Result<VerifiedHq, CopyError> {
    let database = Database::open(copy, None)?;
    let missing = || StorageError::Damaged("headquarters' own journal is not there".into());
    let identity = database.read(|reading| reading.identity()?.ok_or_else(missing))?;
    let headquarters = Headquarters {
        database,
        name: identity.node,
        admission: Admission::Enrolled,
        projecting: Mutex::new(()),
        watch: Watch::default(),
        own_rows: tokio::sync::Notify::new(),
        running: Running::after(0),
    };
    let mut found = VerifiedHq::default();
    headquarters.database.read(|reading| ledger(reading, &mut found))?;
    headquarters
        .database
        .read(|reading| super::verify_rights::compare(reading, &mut found.differences))?;
    headquarters.project()?;
    let stored = headquarters.database.read(Figures::read)?;
    for projection in Projection::ALL {
        headquarters.rebuild(projection)?;
    }
    let made_again = headquarters.database.read(Figures::read)?;
    found.sales = made_again.sales.values().map(|day| day.count).sum();
    compare(&stored, &made_again, &mut found.differences);
    Ok(found)
}

/// Walks the chain of every incarnation.
fn ledger(reading: &Reading<'_>, found: &mut VerifiedHq) -> Result<(), StorageError> {
    let holes = reading.holes()?;
    for origin in reading.origins()? {
        found.incarnations += 1;
        let holes: BTreeMap<u64, &Hole> = holes
            .iter()
            .filter(|hole| hole.origin == origin.id)
            .map(|hole| (hole.first, hole))
            .collect();
        let mut at = Head {
            seq: 0,
            hash: Hash::genesis(&origin.node, origin.acked.incarnation),
            ..origin.acked
        };
        while at.seq < origin.acked.seq {
            let next = at.seq + 1;
            let step = match (reading.batch_with(origin.id, next)?, holes.get(&next)) {
                (Some(kept), _) => follow(&origin, &kept, &at).inspect(|to| found.records += to.seq - at.seq),
                (None, Some(hole)) => Ok(Head {
                    seq: hole.last,
                    hash: hole.after,
                    ..at
                }),
                (None, None) => Err("it is missing".into()),
            };
            match step {
                Ok(to) if to.seq > at.seq => at = to,
                Ok(_) => {
                    found
                        .differences
                        .push(broken(&origin, next, "it does not go on".into()));
                    break;
                }
                Err(reason) => {
                    found.differences.push(broken(&origin, next, reason));
                    break;
                }
            }
        }
        if at.seq == origin.acked.seq && at.hash != origin.acked.hash {
            let reason = "what is acknowledged has another hash".into();
            found.differences.push(broken(&origin, at.seq, reason));
        }
    }
    Ok(())
}

/// Where the chain stands behind a batch of the ledger.
fn follow(origin: &Origin, kept: &LedgerBatch, at: &Head) -> Result<Head, String> {
    let batch = Batch::open(&kept.sealed).map_err(|error| error.to_string())?;
    let key = VerifyingKey::from_bytes(&origin.public_key).map_err(|error| error.to_string())?;
    batch.verify(&key).map_err(|error| error.to_string())?;
    let (header, slots) = unpack(kept).map_err(|error| error.to_string())?;
    if header.node != origin.node || header.incarnation != origin.acked.incarnation {
        return Err("its batch is another incarnation's".into());
    }
    if kept.effective_from != at.seq + 1 || hub_judge::batch_hash_at(&header, &slots, at.seq) != Some(at.hash) {
        return Err("its batch does not continue the chain".into());
    }
    Ok(Head {
        seq: header.last(),
        hash: header.after,
        ..*at
    })
}

fn broken(origin: &Origin, seq: u64, reason: String) -> HqDifference {
    HqDifference::Ledger {
        node: origin.node.clone(),
        incarnation: origin.acked.incarnation,
        seq,
        reason,
    }
}

/// All figures, as they are stored.
struct Figures {
    totals: BTreeMap<(SiteId, BusinessDay, String), (Currency, DailyTotal)>,
    sales: BTreeMap<(SiteId, BusinessDay), SalesOfDay>,
    stock: BTreeMap<(SiteId, Sku), Quantity>,
}

impl Figures {
    fn read(reading: &Reading<'_>) -> Result<Self, StorageError> {
        let totals = reading.all_daily_totals()?.into_iter().map(|day| {
            let key = (day.site, day.business_day, day.currency.to_string());
            (key, (day.currency, day.total))
        });
        let stock = reading.stock(None, None, u32::MAX)?.into_iter();
        Ok(Self {
            totals: totals.collect(),
            sales: reading.sales_by_day()?,
            stock: stock.map(|line| ((line.site, line.sku), line.quantity)).collect(),
        })
    }
}

fn compare(stored: &Figures, ledger: &Figures, differences: &mut Vec<HqDifference>) {
    for (key, stored, ledger) in differing(&stored.totals, &ledger.totals) {
        let (site, day, _) = key.clone();
        let Some((currency, _)) = stored.or(ledger) else {
            continue;
        };
        differences.push(HqDifference::Totals {
            site,
            day,
            currency: *currency,
            stored: stored.map_or_else(nothing, |(_, total)| in_words(total)),
            ledger: ledger.map_or_else(nothing, |(_, total)| in_words(total)),
        });
    }
    for ((site, day), stored, ledger) in differing(&stored.sales, &ledger.sales) {
        differences.push(HqDifference::Sales {
            site: site.clone(),
            day: *day,
            stored: stored.map_or_else(nothing, ToString::to_string),
            ledger: ledger.map_or_else(nothing, ToString::to_string),
        });
    }
    for ((site, sku), stored, ledger) in differing(&stored.stock, &ledger.stock) {
        differences.push(HqDifference::Stock {
            site: site.clone(),
            sku: sku.clone(),
            stored: stored.copied().unwrap_or_default(),
            ledger: ledger.copied().unwrap_or_default(),
        });
    }
}

/// The keys under which two maps differ, with what each has.
fn differing<'a, K: Ord, V: PartialEq + Debug>(
    stored: &'a BTreeMap<K, V>,
    ledger: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let changed = stored.iter().map(|(key, value)| (key, Some(value), ledger.get(key)));
    let missing = ledger
        .iter()
        .filter(|(key, _)| !stored.contains_key(key))
        .map(|(key, value)| (key, None, Some(value)));
    changed.chain(missing).filter(|(_, stored, ledger)| stored != ledger)
}

fn in_words(total: &DailyTotal) -> String {
    format!(
        "{} sales of {} (gross {}, discount {}, tax {}, {} units) and {} refunds of {} (tax {}, {} units), in minor units",
        total.sales,
        total.total.0,
        total.gross.0,
        total.discount.0,
        total.tax.0,
        total.units,
        total.refunds,
        total.refunded.0,
        total.refunded_tax.0,
        total.returned_units
    )
}

fn nothing() -> String {
    "none".into()
}
