//! The section `[rights]` of a configuration file: what an operator may set of how rights move, for all items and for
//! some. What is not given stays as it ships. A value that cannot be is refused where it is read.

use serde::Deserialize;

use super::config::{RightsConfig, ShelfTerms};
use crate::domain::escrow::Amount;
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;

/// `[rights]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RightsSettings {
    /// Units of each item that are kept for the own customers: no other seller's get them, and what is missing of them is
    /// asked for.
    pub floor: Option<Units>,
    /// Of what is here, above the floor, the most that one request of another seller's for stock gets, in per cent. 0: others
    /// get rights for customers that stand there, never for stock.
    pub share_percent: Option<Percent>,
    /// For how many minutes without a link stock for expected customers is to last. 0: none is kept for them.
    pub horizon_minutes: Option<Minutes>,
    /// After how many hours without customers half of the demand is forgotten.
    pub half_life_hours: Option<Hours>,
    /// The most that is asked for as stock of one item, in units.
    pub stock_max: Option<Units>,
    /// After how many seconds rights that lie idle go home.
    pub return_after_s: Option<Seconds>,
    /// How long a customer's hold waits for rights of others, in milliseconds.
    pub wait_ms: Option<WaitMs>,
    /// How many messages about rights are sent in a second, on the average.
    pub messages_per_second_max: Option<MessagesPerSecond>,
    /// Items that something else holds for. Where several name an item the later one wins, key by key.
    pub item: Vec<ItemSettings>,
}

/// `[[rights.item]]`: what holds for some items, at some sites, instead.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemSettings {
    /// The items.
    pub skus: Vec<Sku>,
    /// Where; everywhere, where no site is named.
    #[serde(default)]
    pub sites: Vec<SiteId>,
    /// As in [`RightsSettings`].
    pub floor: Option<Units>,
    /// As in [`RightsSettings`].
    pub share_percent: Option<Percent>,
    /// As in [`RightsSettings`].
    pub horizon_minutes: Option<Minutes>,
    /// As in [`RightsSettings`].
    pub half_life_hours: Option<Hours>,
    /// As in [`RightsSettings`].
    pub stock_max: Option<Units>,
}

/// So many units, none or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Quantity")]
pub struct Units(Amount);

impl TryFrom<Quantity> for Units {
    type Error = String;

    fn try_from(quantity: Quantity) -> Result<Self, String> {
        let amount = Amount::try_from(quantity).map_err(|_| format!("{quantity} units: it is 0 or more"))?;
        Ok(Self(amount))
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident, $from:literal, $to:literal, $unit:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "u64")]
        pub struct $name(u64);

        impl TryFrom<u64> for $name {
            type Error = String;

            fn try_from(number: u64) -> Result<Self, String> {
                if ($from..=$to).contains(&number) {
                    Ok(Self(number))
                } else {
                    Err(format!("{number} {}: it is from {} to {}", $unit, $from, $to))
                }
            }
        }
    )*};
}

numbers! {
    /// Per cent of something that is shared out.
    Percent, 0, 100, "per cent";
    /// Minutes, at most a month.
    Minutes, 0, 43_200, "minutes";
    /// Hours, at least one and at most a year.
    Hours, 1, 8_760, "hours";
    /// Seconds, at most a day.
    Seconds, 0, 86_400, "seconds";
    /// How long somebody is kept waiting.
    WaitMs, 0, 10_000, "milliseconds";
    /// Messages in a second.
    MessagesPerSecond, 1, 100_000, "messages a second";
}

impl RightsSettings {
    /// What ships, with these settings over it, for the shelves of a site.
    #[must_use]
    pub fn over(&self, shipped: RightsConfig, site: &SiteId) -> RightsConfig {
        let mut config = shipped;
        let all = Terms {
            floor: self.floor,
            share_percent: self.share_percent,
            horizon_minutes: self.horizon_minutes,
            half_life_hours: self.half_life_hours,
            stock_max: self.stock_max,
        };
        all.set(&mut config.shelf);
        let here = |item: &&ItemSettings| item.sites.is_empty() || item.sites.contains(site);
        for item in self.item.iter().filter(here) {
            let some = Terms {
                floor: item.floor,
                share_percent: item.share_percent,
                horizon_minutes: item.horizon_minutes,
                half_life_hours: item.half_life_hours,
                stock_max: item.stock_max,
            };
            for sku in &item.skus {
                some.set(config.items.entry(sku.clone()).or_insert(config.shelf));
            }
        }
        if let Some(Seconds(s)) = self.return_after_s {
            config.return_after_ms = s * 1_000;
        }
        if let Some(WaitMs(ms)) = self.wait_ms {
            config.wait_ms = ms;
        }
        if let Some(MessagesPerSecond(messages)) = self.messages_per_second_max {
            config.messages_per_second_max = u32::try_from(messages).unwrap_or(u32::MAX);
        }
        config
    }
}

/// What can be set for all items and for some.
struct Terms {
    floor: Option<Units>,
    share_percent: Option<Percent>,
    horizon_minutes: Option<Minutes>,
    half_life_hours: Option<Hours>,
    stock_max: Option<Units>,
}

impl Terms {
    fn set(&self, terms: &mut ShelfTerms) {
        if let Some(Units(floor)) = self.floor {
            terms.floor = floor;
        }
        if let Some(Percent(percent)) = self.share_percent {
            terms.share_per_mille = percent * 10;
        }
        if let Some(Minutes(minutes)) = self.horizon_minutes {
            terms.stock.horizon_ms = minutes * 60_000;
        }
        if let Some(Hours(hours)) = self.half_life_hours {
            terms.stock.half_life_ms = hours * 3_600_000;
        }
        if let Some(Units(most)) = self.stock_max {
            terms.stock.most = most;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RightsSettings, toml::de::Error> {
        toml::from_str(text)
    }

    fn site(name: &str) -> SiteId {
        name.parse().unwrap()
    }

    fn units(n: u64) -> Amount {
        Amount::new(n * 1_000).unwrap()
    }

    #[test]
    fn what_is_not_given_stays_as_it_ships() {
        let config = read("").unwrap().over(RightsConfig::kiosk(), &site("store-1"));
        assert_eq!(config, RightsConfig::kiosk());
        let config = read("floor = \"2\"\nwait_ms = 500\n").unwrap();
        let config = config.over(RightsConfig::kiosk(), &site("store-1"));
        let mut wanted = RightsConfig::kiosk();
        wanted.shelf.floor = units(2);
        wanted.wait_ms = 500;
        assert_eq!(config, wanted);
    }

    #[test]
    fn an_item_has_its_own_terms_where_a_rule_names_it_and_the_site() {
        let settings = "share_percent = 10\n\
            [[item]]\nskus = [\"a\", \"b\"]\nfloor = \"3\"\n\
            [[item]]\nskus = [\"b\"]\nsites = [\"store-2\"]\nstock_max = \"1.5\"\n";
        let settings = read(settings).unwrap();
        let terms = |name: &str, sku: &str| {
            let config = settings.over(RightsConfig::store(), &site(name));
            let terms = *config.terms(&sku.parse().unwrap());
            (terms.floor, terms.share_per_mille, terms.stock.most)
        };
        let most = RightsConfig::store().shelf.stock.most;
        assert_eq!(terms("store-1", "a"), (units(3), 100, most));
        assert_eq!(terms("store-1", "b"), (units(3), 100, most));
        assert_eq!(terms("store-2", "b"), (units(3), 100, Amount::new(1_500).unwrap()));
        assert_eq!(terms("store-2", "c"), (Amount::ZERO, 100, most));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        for (text, wanted) in [
            ("floor = \"-1\"", "-1 units: it is 0 or more"),
            ("share_percent = 101", "101 per cent: it is from 0 to 100"),
            ("half_life_hours = 0", "0 hours: it is from 1 to 8760"),
            ("wait_ms = 60000", "60000 milliseconds: it is from 0 to 10000"),
            ("shares = 1", "unknown field `shares`"),
            ("[[item]]\nfloor = \"1\"", "missing field `skus`"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }
}
