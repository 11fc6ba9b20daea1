//! Fence a kiosk's incarnation: headquarters knows another branch of it.

use crate::domain::ids::{Incarnation, NodeId};
use crate::store::{Failure, Fence, RelayOrigin, StorageError, WriteTransaction};

/// Notes that no more of a kiosk's incarnation than `common` goes up: the kiosk is told, and brings what is behind as
/// copies in another one. A second time with a lower `common` it is lowered. Gives the incarnation as it stands.
///
/// # Errors
/// Why the store could not keep it.
pub fn fence_relayed(
    tx: &mut WriteTransaction<'_>,
    node: &NodeId,
    incarnation: Incarnation,
    common: u64,
    set_back: bool,
) -> Result<Option<RelayOrigin>, Failure<StorageError>> {
    let Some(mut origin) = tx.relay_origin(node, incarnation)? else {
        return Ok(None);
    };
    if origin.fence.is_none_or(|fence| common < fence.common) {
        origin.fence = Some(Fence { common, set_back });
        tx.save_relay_origin(&origin)?;
    }
    Ok(Some(origin))
}
