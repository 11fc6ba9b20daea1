//! Let kiosks' batches go that headquarters has and that came long ago.

use crate::store::{Now, StorageError, WriteTransaction};

const DAY_MS: u64 = 86_400_000;

/// Lets the batches go that headquarters has acknowledged and that came more than `keep_days` ago: until then it may ask
/// for them after a restore of its own. Gives how many went.
///
/// # Errors
/// Why the store could not keep it.
pub fn let_relayed_go(tx: &mut WriteTransaction<'_>, now: Now, keep_days: u32) -> Result<usize, StorageError> {
    let before_ms = now.unix_ms.saturating_sub(u64::from(keep_days).saturating_mul(DAY_MS));
    let mut gone = 0;
    for mut origin in tx.relay_origins()? {
        let through = origin.top.seq.min(origin.offered());
        let Some((seq, hash)) = tx.relay_batches_end_before(origin.ix, before_ms, through)? else {
            continue;
        };
        gone += tx.let_relay_batches_go(origin.ix, seq)?;
        if seq >= origin.earliest_seq {
            origin.earliest_seq = seq + 1;
            origin.before_earliest = hash;
            tx.save_relay_origin(&origin)?;
        }
    }
    Ok(gone)
}
