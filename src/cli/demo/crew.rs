//! Everybody who sells in the demo: tills that serve one customer after another, and a kiosk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::deliveries;
use super::dice::Dice;
use super::figures::Figures;
use super::goods;
use super::store::{Store, minor};
use super::till::{Done, Role, Till};
use crate::cli::Failure;
use crate::domain::catalog::Item;
use crate::domain::ids::SiteId;
use crate::domain::money::Currency;

/// How a crew works.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// What the customers follow from.
    pub(super) seed: u64,
    /// The time between two customers of a till, in milliseconds; it varies by half of it.
    pub(super) pause_ms: u64,
    pub(super) currency: Currency,
}

/// The tills of both stores, the kiosk and those who fill the shelves, at work.
#[derive(Debug)]
pub(super) struct Crew {
    tally: Arc<Mutex<Vec<Tally>>>,
    stop: watch::Sender<bool>,
    working: JoinSet<()>,
}

/// What the tills of one site heard.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) site: SiteId,
    /// What they heard "ok" for.
    pub(super) done: Figures,
    /// Visits to the kiosk that ended without a purchase.
    pub(super) browsed: u64,
    /// What they heard "no" for, or nothing: the first few, in words.
    pub(super) refused: Vec<String>,
}

/// How many refusals are kept in words.
const REFUSALS_MAX: usize = 5;
/// How many tills each store has.
const TILLS: u8 = 2;

impl Crew {
    /// Pairs everybody and lets them begin.
    pub(super) async fn start(stores: &[Store], run: &str, manner: Manner) -> Result<Self, Failure> {
        let catalog: Arc<[Item]> = goods::catalog()?.into();
        let tally = stores.iter().map(|store| Tally {
            site: store.site.clone(),
            done: Figures::default(),
            browsed: 0,
            refused: Vec::new(),
        });
        let tally = Arc::new(Mutex::new(tally.collect::<Vec<_>>()));
        let (stop, stopped) = watch::channel(false);
        let mut working = JoinSet::new();
        for (place, store) in stores.iter().enumerate() {
            // The kiosk is a device of the first store.
            let kiosk = (place == 0).then_some((Role::Kiosk, "k1".to_owned()));
            let devices = (1..=TILLS).map(|number| (Role::Till, number.to_string())).chain(kiosk);
            for (role, register) in devices {
                let dice = Dice::of(manner.seed, &format!("{} {register}", store.site));
                let till = Till::pair(&store.client, run, role, &register, Arc::clone(&catalog), dice).await?;
                let seller = Seller {
                    till,
                    role,
                    place,
                    tally: Arc::clone(&tally),
                    manner,
                };
                working.spawn(seller.work(stopped.clone()));
            }
            working.spawn(deliveries::fill(store.clone(), run.to_owned(), stopped.clone()));
        }
        Ok(Self { tally, stop, working })
    }

    /// What was heard so far, by site.
    pub(super) fn tally(&self) -> Vec<Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets everybody finish the customer they have, and go.
    pub(super) async fn go_home(mut self) -> Vec<Tally> {
        self.stop.send_replace(true);
        while self.working.join_next().await.is_some() {}
        self.tally()
    }
}

struct Seller {
    till: Till,
    role: Role,
    place: usize,
    tally: Arc<Mutex<Vec<Tally>>>,
    manner: Manner,
}

impl Seller {
    async fn work(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let pause = Duration::from_millis(self.pause_ms());
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(pause) => {}
            }
            // Never broken off: what a till has asked for it waits to hear.
            let served = match self.role {
                Role::Till => self.till.serve().await.map(Some),
                Role::Kiosk => self.till.browse().await,
            };
            self.note(served);
        }
    }

    fn pause_ms(&mut self) -> u64 {
        let half = self.manner.pause_ms / 2;
        let varies = usize::try_from(self.manner.pause_ms).unwrap_or(usize::MAX);
        half + u64::try_from(self.till.dice().below(varies)).unwrap_or(half)
    }

    fn note(&self, served: Result<Option<Done>, Failure>) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tally) = tally.get_mut(self.place) else { return };
        let counted = match served {
            Ok(None) => {
                tally.browsed += 1;
                return;
            }
            Ok(Some(Done { total, is_refund })) => minor(total, self.manner.currency).map(|total| {
                if is_refund {
                    tally.done.took_back(total);
                } else {
                    tally.done.sold(total);
                }
            }),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = counted
            && tally.refused.len() < REFUSALS_MAX
        {
            tally.refused.push(failure.to_string());
        }
    }
}
