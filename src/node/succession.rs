//! Whether this node was succeeded: asked of its standbys at its start, before it sells, and every few seconds after;
//! headquarters says it too.
//!
//! Nobody's word alone is believed: what is shown is the first batch of the successor's incarnation, signed with the key that this
//! node admitted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::operations::standby::{note_succeeded, successor_of};
use crate::store::{Failure, Store, Succeeded};

/// How often standbys are asked.
const EVERY: Duration = Duration::from_secs(2);
/// How long one may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// The longest proof that is read, in hexadecimal digits.
const PROOF_CHARACTERS_MAX: usize = 256 << 10;

/// How many proofs of headquarters may wait.
pub(super) const SHOWN_MAX: usize = 1;

/// Asks until the node stops, and listens to what headquarters shows. Says `again` once the node is to start in another
/// part: it was succeeded, or it was before and headquarters has everything of it now.
pub(super) async fn run(
    store: Arc<Store>,
    fenced: bool,
    mut shown: mpsc::Receiver<Vec<u8>>,
    again: watch::Sender<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let mut turn = tokio::time::interval(EVERY);
    loop {
        let proof = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = turn.tick() => None,
            Some(proof) = shown.recv() => Some(proof),
        };
        let changed = match (fenced, proof) {
            (true, _) => store
                .readers
                .run(|snapshot| snapshot.is_drained())
                .await
                .unwrap_or_default(),
            (false, Some(proof)) => judge(&store, proof, "headquarters").await.is_some(),
            (false, None) => look(&store).await.is_some(),
        };
        if changed {
            again.send_replace(true);
            return;
        }
    }
}

/// Asks each standby once, and notes a succession that one of them proves.
pub(super) async fn look(store: &Store) -> Option<Succeeded> {
    let standbys = store
        .readers
        .run(|snapshot| snapshot.standbys())
        .await
        .unwrap_or_default();
    if standbys.is_empty() {
        return None;
    }
    super::tls::install_crypto_provider();
    let client = reqwest::Client::builder().timeout(ANSWER_MAX).build().ok()?;
    for standby in standbys {
        if let Some(proof) = proof_of(&client, &standby.address).await
            && let Some(by) = judge(store, proof, &standby.name).await
        {
            return Some(by);
        }
    }
    None
}

/// Notes a succession where it is proved.
async fn judge(store: &Store, proof: Vec<u8>, shown_by: &str) -> Option<Succeeded> {
    let by = match store.readers.run(move |snapshot| successor_of(snapshot, &proof)).await {
        Ok(by) => by?,
        Err(Failure::Refused(error)) => {
            tracing::warn!(shown_by, %error, "it is passed over");
            return None;
        }
        Err(Failure::Storage(error)) => {
            tracing::error!(%error, "a succession could not be judged");
            return None;
        }
    };
    tracing::error!(shown_by, address = by.address, incarnation = %by.by, has_seq = by.seq,
        "this node was succeeded by its standby: it sells no more; what nobody has seen of it still goes up");
    let noted = by.clone();
    match store.writer.run(move |tx| note_succeeded(tx, &noted)).await {
        Ok(()) => Some(by),
        Err(Failure::Refused(error) | Failure::Storage(error)) => {
            tracing::error!(%error, "that it was succeeded could not be noted; it is asked again");
            None
        }
    }
}

/// What a standby shows where it has taken a node's place.
async fn proof_of(client: &reqwest::Client, address: &str) -> Option<Vec<u8>> {
    let role: serde_json::Value = client
        .get(format!("{address}/v1/role"))
        .send()
        .await
        .ok()?
        .json()
        .await
        .ok()?;
    let text = role.get("succession")?.as_str()?;
    if text.len() > PROOF_CHARACTERS_MAX || !text.is_ascii() {
        return None;
    }
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect()
}
