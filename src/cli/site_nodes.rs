//! The nodes of one site that may sell, as a till finds them: it goes on with the one that answered last, and where that
//! one does not answer or says that it does not sell, it tries the others in turn, with the same key.

use serde_json::Value;
use tokio::sync::Mutex;

use super::client::Client;

/// How many addresses are kept; no site has so many nodes that may sell.
const ADDRESSES_MAX: usize = 8;

/// A till's way to whoever sells at its site.
#[derive(Debug)]
pub(super) struct SiteNodes {
    client: Client,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<String>,
    /// The one that is asked.
    at: usize,
}

impl SiteNodes {
    /// By the node that the till was paired with, which names the others.
    pub(super) async fn of(client: Client) -> Self {
        let known = Known {
            addresses: vec![client.url().to_owned()],
            at: 0,
        };
        let nodes = Self {
            client,
            known: Mutex::new(known),
        };
        nodes.learn().await;
        nodes
    }

    /// A client for the node that is asked now.
    pub(super) async fn client(&self) -> Client {
        let known = self.known.lock().await;
        match known.addresses.get(known.at) {
            Some(address) => self.client.with_url(address.clone()),
            None => self.client.clone(),
        }
    }

    /// Asks the node who else may sell here. One that does not answer teaches nothing.
    pub(super) async fn learn(&self) {
        let Ok(role) = self.client().await.get::<Value>("/v1/role").await else {
            return;
        };
        let mut known = self.known.lock().await;
        let named = role["standbys"]
            .as_array()
            .into_iter()
            .flatten()
            .chain([&role["primary"]]);
        for address in named.filter_map(Value::as_str) {
            known.add(address);
        }
    }

    /// Goes on with another node: the next in turn. One that the answer names is among them from then on.
    pub(super) async fn try_another(&self, answer: Option<&Value>) {
        let mut known = self.known.lock().await;
        let named = answer.and_then(|answer| answer.get("primary")).and_then(Value::as_str);
        if let Some(named) = named {
            known.add(named);
        }
        known.at = (known.at + 1) % known.addresses.len().max(1);
    }
}

impl Known {
    fn add(&mut self, address: &str) {
        if self.addresses.len() < ADDRESSES_MAX && !self.addresses.iter().any(|known| known == address) {
            self.addresses.push(address.to_owned());
        }
    }
}
