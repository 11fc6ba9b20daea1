//! Saves what the parent has acknowledged, in the order in which it was said.
//!
//! Order is what counts here: a parent that was set back says less than before, and where the older, higher word reached
//! the disk last, the node would take for safe what the parent no longer has, and prune it. Nobody waits for a save: it
//! only spares sending again, and the next acknowledgement carries everything.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::domain::ids::Incarnation;
use crate::domain::journal::Head;
use crate::operations;
use crate::store::Store;

/// How many acknowledgements may wait for the disk. What waits together is saved as one.
const WAITING_MAX: usize = 256;

/// Where acknowledgements are handed in. Dropping it ends the saver once everything is saved.
pub(super) struct AckSaver {
    words: mpsc::Sender<Head>,
}

impl AckSaver {
    pub(super) fn spawn(store: Arc<Store>) -> Self {
        let (words, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(save_all(store, waiting));
        Self { words }
    }

    /// Hands an acknowledgement in; waits only while [`WAITING_MAX`] others wait for the disk.
    pub(super) async fn save(&self, acked: Head) {
        // The saver ends only after this side does.
        let _ = self.words.send(acked).await;
    }
}

async fn save_all(store: Arc<Store>, mut waiting: mpsc::Receiver<Head>) {
    let mut words = Vec::new();
    while waiting.recv_many(&mut words, WAITING_MAX).await > 0 {
        for acked in last_words(words.drain(..)) {
            if let Err(error) = store.writer.run(move |tx| operations::save_ack(tx, acked)).await {
                tracing::warn!(%error, seq = acked.seq, "an acknowledgement could not be saved");
            }
        }
    }
}

/// The last word on each incarnation.
fn last_words(words: impl Iterator<Item = Head>) -> Vec<Head> {
    let mut last: Vec<(Incarnation, Head)> = Vec::new();
    for word in words {
        match last
            .iter_mut()
            .find(|(incarnation, _)| *incarnation == word.incarnation)
        {
            Some((_, head)) => *head = word,
            None => last.push((word.incarnation, word)),
        }
    }
    last.into_iter().map(|(_, head)| head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::journal::Hash;

    fn head(counter: u32, seq: u64) -> Head {
        Head {
            incarnation: Incarnation { counter, random: 1 },
            seq,
            hash: Hash([0; 32]),
        }
    }

    #[test]
    fn the_last_word_counts_and_not_the_highest() {
        let words = [head(1, 3), head(2, 9), head(1, 7), head(2, 4)];
        assert_eq!(last_words(words.into_iter()), [head(1, 7), head(2, 4)]);
    }
}
