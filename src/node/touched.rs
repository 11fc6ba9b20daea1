//! Which items' shelves have moved since somebody last looked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::domain::ids::Sku;
use crate::store::Change;

/// A set that the writer adds to and one reader empties. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Touched(Arc<(Mutex<BTreeSet<Sku>>, Notify)>);

impl Touched {
    /// Notes what a group of commits moved. Quick: the writer calls it.
    pub(super) fn note(&self, changes: &[Change]) {
        let mut skus = changes
            .iter()
            .filter_map(|change| match change {
                Change::Stock(sku) => Some(sku.clone()),
                _ => None,
            })
            .peekable();
        if skus.peek().is_some() {
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).extend(skus);
            self.0.1.notify_one();
        }
    }

    /// Waits until there is something, and takes all of it.
    pub(super) async fn take(&self) -> BTreeSet<Sku> {
        loop {
            let skus = std::mem::take(&mut *self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
            if !skus.is_empty() {
                return skus;
            }
            self.0.1.notified().await;
        }
    }
}
