//! What is told item by item, many times a second, and looked at a few times a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::domain::ids::Sku;

/// Items with something about each, which many add to and one empties. Cheap to clone. It holds each item once, so that it
/// grows no larger than the catalog, however long nobody looks.
#[derive(Debug)]
pub struct Gathered<V>(Arc<Shared<V>>);

#[derive(Debug)]
struct Shared<V> {
    heap: Mutex<Heap<V>>,
    /// Wakes whoever waits for the first item.
    filled: Notify,
    /// For how long it gathers.
    gathers: Duration,
}

#[derive(Debug)]
struct Heap<V> {
    items: HashMap<Sku, V>,
    /// Since when there is something.
    since: Option<Instant>,
}

impl<V> Clone for Gathered<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V> Gathered<V> {
    /// Nothing yet. What is told is given out `gathers` after the first of it.
    #[must_use]
    pub fn new(gathers: Duration) -> Self {
        let heap = Heap {
            items: HashMap::new(),
            since: None,
        };
        Self(Arc::new(Shared {
            heap: Mutex::new(heap),
            filled: Notify::new(),
            gathers,
        }))
    }

    /// Adds items; `add` says what becomes of one that is there already. Quick: whoever sells calls it.
    pub fn add(&self, items: impl IntoIterator<Item = (Sku, V)>, add: impl Fn(&mut V, V)) {
        use std::collections::hash_map::Entry;
        let mut heap = self.0.heap.lock().unwrap_or_else(PoisonError::into_inner);
        for (sku, value) in items {
            match heap.items.entry(sku) {
                Entry::Occupied(mut known) => add(known.get_mut(), value),
                Entry::Vacant(new) => drop(new.insert(value)),
            }
        }
        if heap.since.is_none() && !heap.items.is_empty() {
            heap.since = Some(Instant::now());
            self.0.filled.notify_one();
        }
    }

    /// Waits until there is something and it has gathered long enough, and takes all of it. Nothing is lost where it is
    /// given up before it gives.
    pub async fn take(&self) -> HashMap<Sku, V> {
        loop {
            let since = self.0.heap.lock().unwrap_or_else(PoisonError::into_inner).since;
            match since {
                Some(since) => {
                    tokio::time::sleep_until(since + self.0.gathers).await;
                    let mut heap = self.0.heap.lock().unwrap_or_else(PoisonError::into_inner);
                    heap.since = None;
                    return std::mem::take(&mut heap.items);
                }
                None => self.0.filled.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(text: &str) -> Sku {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn what_is_told_often_is_given_once() {
        let gathered = Gathered::new(Duration::ZERO);
        let add = |known: &mut u64, more: u64| *known += more;
        gathered.add([(sku("A"), 1), (sku("B"), 1)], add);
        gathered.clone().add([(sku("A"), 2)], add);
        assert_eq!(gathered.take().await, HashMap::from([(sku("A"), 3), (sku("B"), 1)]));

        // A reader that gave up takes nothing with it.
        let (reader, writer) = (gathered.clone(), gathered);
        let waits = tokio::spawn(async move { reader.take().await });
        writer.add([(sku("C"), 5)], add);
        assert_eq!(waits.await.unwrap(), HashMap::from([(sku("C"), 5)]));
    }
}
