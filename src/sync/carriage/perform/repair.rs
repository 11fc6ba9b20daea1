//! A step of Automerge's sync protocol.

use super::take::{Taking, unwelcome};
use super::{PerformError, Performed};
use crate::sync::carriage::archive::Archive;
use crate::sync::carriage::routes::Link;
use crate::sync::carriage::work::Done;
use crate::sync::shelves::{Document, DocumentId, Heads, RepairState};
use crate::sync::wire::Standing;

/// Takes what the neighbour said, if it has spoken, and says what comes next.
pub(super) fn step<A: Archive>(
    archive: &A,
    link: &Link,
    session: u64,
    id: DocumentId,
    mut state: RepairState,
    message: Option<&[u8]>,
) -> Result<Performed, PerformError<A::Error>> {
    let mut taking = Taking::new(link.neighbour());
    let loaded = archive.document(&id)?;
    let carried = loaded
        .as_ref()
        .is_some_and(|loaded| link.carries(&id, loaded.source.as_ref()));
    let here = loaded.map_or_else(|| Document::unheard(id.clone()), |loaded| loaded.document);
    let (mut document, refused) = match (message, unwelcome(archive, link, &id)?) {
        (None, _) => (here, None),
        (Some(message), None) => {
            let (standing, after) = taking.apply(archive, &id, |document| document.take_repair(&mut state, message))?;
            let refused = match standing {
                Standing::Refused(reason) => Some(reason),
                // Automerge guesses by a filter what the other lacks, and may guess wrong.
                Standing::Lacks(_) => Some("the repair left something out".into()),
                Standing::Holds(_) | Standing::Newer(_) => None,
            };
            (after.unwrap_or(here), refused)
        }
        // The neighbour is to have it and not to change it: it hears what is here, and what it says changes nothing.
        (Some(message), Some(_)) if carried => {
            let taken = here.clone().take_repair(&mut state, message);
            (here, taken.err().map(|error| error.to_string()))
        }
        (Some(_), Some(reason)) => (here, Some(reason)),
    };
    let reply = match refused {
        Some(_) => None,
        None => document.repair_message(&mut state),
    };
    let heads: Heads = document.heads();
    Ok(Performed {
        keep: taking.keep,
        done: Done::Repaired {
            neighbour: link.neighbour(),
            session,
            id,
            state,
            reply,
            heads,
            changed: taking.changed.pop(),
            gone: taking.gone,
            refused,
        },
    })
}
