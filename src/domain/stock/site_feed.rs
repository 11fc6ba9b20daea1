//! What headquarters tells one site: a feed of its own, compacted by key like every other.

use super::hold::HoldId;
use super::pickup::Pickup;
use super::transfer::{Transfer, TransferId};
use crate::domain::ids::SiteId;

/// What stands before the site in its feed's name. No feed that people publish has a ':' in its name.
const NAME: &str = "site:";
const PICKUP: &str = "pickup/";
const TRANSFER: &str = "transfer/";

/// The name of a site's feed.
#[must_use]
pub fn site_feed(site: &SiteId) -> String {
    format!("{NAME}{site}")
}

/// Whether a feed is a site's, which only the nodes of that site follow.
#[must_use]
pub fn is_site_feed(feed: &str) -> bool {
    feed.starts_with(NAME)
}

/// What an entry of a site's feed is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteKey {
    /// A pickup.
    Pickup(HoldId),
    /// A transfer.
    Transfer(TransferId),
}

impl SiteKey {
    /// Its key in the feed.
    #[must_use]
    pub fn key(self) -> String {
        match self {
            Self::Pickup(id) => format!("{PICKUP}{id}"),
            Self::Transfer(id) => format!("{TRANSFER}{id}"),
        }
    }

    /// Of a key; none of one that this version does not know.
    #[must_use]
    pub fn of(key: &str) -> Option<Self> {
        let pickup = key.strip_prefix(PICKUP).and_then(|id| id.parse().ok());
        let transfer = || key.strip_prefix(TRANSFER).and_then(|id| id.parse().ok());
        pickup.map(Self::Pickup).or_else(|| transfer().map(Self::Transfer))
    }
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteNews {
    /// A pickup, as far as headquarters knows of it.
    Pickup(Box<Pickup>),
    /// A transfer, as far as headquarters knows of it.
    Transfer(Box<Transfer>),
}

impl SiteNews {
    /// What it is about.
    #[must_use]
    pub const fn key(&self) -> SiteKey {
        match self {
            Self::Pickup(pickup) => SiteKey::Pickup(pickup.ordered.id),
            Self::Transfer(transfer) => SiteKey::Transfer(transfer.id),
        }
    }

    /// The entry's body.
    ///
    /// # Errors
    /// Where it cannot be written, which these types do not do.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Pickup(pickup) => serde_json::to_string(pickup),
            Self::Transfer(transfer) => serde_json::to_string(transfer),
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// Where it is not one, or speaks of something else than its key, in words.
    pub fn from_json(key: SiteKey, body: &str) -> Result<Self, String> {
        let read = match key {
            SiteKey::Pickup(_) => serde_json::from_str(body).map(Self::Pickup),
            SiteKey::Transfer(_) => serde_json::from_str(body).map(Self::Transfer),
        };
        let news = read.map_err(|error| error.to_string())?;
        if news.key() == key {
            Ok(news)
        } else {
            Err(format!("it speaks of {}", news.key().key()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_is_written_and_only_under_its_key() {
        let news = SiteNews::Transfer(Box::new(Transfer::new(TransferId([1; 8]))));
        let body = news.to_json().unwrap();
        let key = SiteKey::of(&news.key().key()).unwrap();
        assert_eq!(SiteNews::from_json(key, &body), Ok(news));
        assert!(SiteNews::from_json(SiteKey::Transfer(TransferId([2; 8])), &body).is_err());
        assert!(SiteNews::from_json(SiteKey::Pickup(HoldId([1; 8])), &body).is_err());
        for other in ["", "pickup/", "pickup/1", "else/0101010101010101"] {
            assert_eq!(SiteKey::of(other), None, "{other}");
        }
        assert!(is_site_feed(&site_feed(&"store-1".parse().unwrap())));
        assert!(!is_site_feed("catalog"));
    }
}
