//! A standby's copy: fetched, opened and closed.

use std::path::Path;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;

use crate::lan::ParentConfig;
use crate::node::clock::MachineClock;
use crate::node::config::NodeConfig;
use crate::node::start::machine_id;
use crate::node::start_error::StartError;
use crate::node::{randomness, tls};
use crate::store::{Faults, NewNode, Store, StoreOptions, install_copy};

/// How many read-only connections a standby has: it only checks what it appends.
const READERS: usize = 1;

/// Opens the copy.
pub(super) async fn open(config: &NodeConfig, clock: MachineClock) -> Result<Arc<Store>, StartError> {
    let options = StoreOptions {
        directory: config.data.clone(),
        vfs: None,
        create: None,
        machine_id: machine_id(),
        seed: randomness::incarnation_seed(),
        readers: READERS,
        faults: Faults::default(),
    };
    let opened = tokio::task::spawn_blocking(move || Store::open(&options, clock.now(), Box::new(|_| {})));
    let opened = opened.await.map_err(|error| StartError::Broken(error.to_string()))??;
    Ok(Arc::new(opened))
}

/// Closes the copy, where there is one, and waits until that is done.
pub(super) async fn close(store: Option<Arc<Store>>) {
    if tokio::task::spawn_blocking(move || drop(store)).await.is_err() {
        tracing::error!("the copy was not closed in order; it is whole all the same");
    }
}

/// Fetches a copy of the node that is followed, puts it in place and opens it. The error is for people.
pub(super) async fn take(config: &NodeConfig, of: &ParentConfig, clock: MachineClock) -> Result<Arc<Store>, String> {
    let fetched = config.data.join("node.db.fetched");
    let bytes = fetch(of, &fetched).await?;
    tracing::info!(bytes, from = %of.address, "a copy of the node that is followed is here");
    let (directory, now, address) = (config.data.clone(), clock.now(), of.address.to_string());
    let node = NewNode {
        org: config.org.clone(),
        node: config.node.clone(),
        site: config.site.clone(),
        currency: config.sale.currency,
    };
    let install = move || install_copy(&directory, &fetched, &node, &address, &machine_id(), now);
    let installed = tokio::task::spawn_blocking(install)
        .await
        .map_err(|error| error.to_string())?;
    installed.map_err(|error| error.to_string())?;
    open(config, clock).await.map_err(|error| error.to_string())
}

async fn fetch(of: &ParentConfig, to: &Path) -> Result<u64, String> {
    let told = |what: &str| {
        let what = what.to_owned();
        move |error: &dyn std::fmt::Display| format!("{what}: {error}")
    };
    tls::install_crypto_provider();
    let url = format!("{}/v1/standby/base", of.address);
    let client = reqwest::Client::builder().build().map_err(|error| error.to_string())?;
    let answer = client.get(&url).bearer_auth(&of.token).send().await;
    let mut answer = answer.map_err(|error| told("the followed node does not answer")(&error))?;
    if !answer.status().is_success() {
        return Err(format!("the followed node gives no copy ({})", answer.status()));
    }
    for suffix in ["-wal", "-shm"] {
        // What an attempt before has left would be taken for this copy's.
        let _ = tokio::fs::remove_file(format!("{}{suffix}", to.display())).await;
    }
    let mut options = tokio::fs::OpenOptions::new();
    // It holds the keys that sign for the node.
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options
        .open(to)
        .await
        .map_err(|error| told("the copy cannot be written")(&error))?;
    let mut bytes = 0;
    while let Some(piece) = answer
        .chunk()
        .await
        .map_err(|error| told("the copy broke off")(&error))?
    {
        bytes += piece.len() as u64;
        file.write_all(&piece)
            .await
            .map_err(|error| told("the copy cannot be written")(&error))?;
    }
    file.flush()
        .await
        .map_err(|error| told("the copy cannot be written")(&error))?;
    file.sync_all()
        .await
        .map_err(|error| told("the copy cannot be written")(&error))?;
    Ok(bytes)
}
