//! Which part a node's process plays over its disk, one after the other: it sells, it follows, or it was succeeded and
//! only sends the rest.

use tokio::sync::watch;

use super::clock::MachineClock;
use super::config::NodeConfig;
use super::standby::{self, StandbyEnd};
use super::start::Node;
use super::start_error::StartError;
use crate::http::{AsideApi, AsideView};
use crate::lan::ParentAddress;
use crate::store::{DiskState, OpenError, Snapshot, StorageError, Store, Succeeded, disk_state, move_succeeded_aside};

/// Runs a node until `stop` is true.
///
/// # Errors
/// Where it does not start.
pub async fn run(config: NodeConfig, mut stop: watch::Receiver<bool>) -> Result<(), StartError> {
    loop {
        if let Some(of) = followed(&config).await? {
            match standby::run(&config, &of, stop.clone()).await? {
                StandbyEnd::Stopped => return Ok(()),
                // The same process goes on as the node that sells.
                StandbyEnd::Promoted => continue,
            }
        }
        let mut node = Node::start(config.clone()).await?;
        let stopped = tokio::select! {
            // Where the sender is gone nobody could say "stop" any more: that is taken for it.
            _ = stop.wait_for(|stop| *stop) => true,
            // A kiosk's node is nobody's to succeed, so that nobody can say so there.
            Ok(_) = node.again.wait_for(|again| *again) => false,
        };
        node.stop().await;
        if stopped {
            return Ok(());
        }
    }
}

/// The node that this one follows, where its disk says so or it is to begin. A disk that was succeeded is moved aside
/// first, once headquarters has everything of it.
async fn followed(config: &NodeConfig) -> Result<Option<ParentAddress>, StartError> {
    let (data, now) = (config.data.clone(), MachineClock::start().now());
    let of = config.standby.of.clone();
    let look = move || {
        // What cannot be read is dealt with where it is opened.
        Ok(match disk_state(&data) {
            Ok(DiskState::Missing) => of,
            Ok(DiskState::Follows(following)) => of.or_else(|| following.primary_address.parse().ok()),
            Ok(DiskState::Succeeded { drained: true, .. }) if of.is_some() => {
                let aside = move_succeeded_aside(&data, now)?;
                tracing::warn!(aside = %aside.display(), "headquarters has all of this disk; it becomes a standby");
                of
            }
            Ok(DiskState::Sells | DiskState::Succeeded { .. }) | Err(_) => None,
        })
    };
    let looked: Result<Option<ParentAddress>, OpenError> = tokio::task::spawn_blocking(look)
        .await
        .map_err(|error| StartError::Broken(error.to_string()))?;
    Ok(looked?)
}

/// Who has succeeded this node, as it knows already or as a standby of it proves now, before anything is sold.
pub(super) async fn succeeded(store: &Store) -> Result<Option<Succeeded>, StartError> {
    let broken = |error: StorageError| StartError::Broken(error.to_string());
    let read = |snapshot: &Snapshot<'_>| Ok::<_, StorageError>((snapshot.following()?, snapshot.succeeded()?));
    let (following, known) = store.readers.run(read).await.map_err(broken)?;
    if let Some(following) = following {
        return Err(StartError::Follows(following.primary_address));
    }
    Ok(match known {
        Some(known) => Some(known),
        None => super::succession::look(store).await,
    })
}

/// What a node that was succeeded answers.
pub(super) fn aside(config: &NodeConfig, store: &Store, by: &Succeeded) -> AsideApi {
    let (_, view) = watch::channel(AsideView {
        primary: by.address.clone(),
        succeeded: true,
        has_seq: store.opening.head.seq,
        ..AsideView::default()
    });
    AsideApi {
        node: config.node.to_string(),
        view,
        promote: None,
    }
}
