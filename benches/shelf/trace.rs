//! The demand that all systems are given: who comes when to whom and wants what, when goods come in, when links are
//! cut. It is drawn before anything plays it and written to a file, so that what a system does cannot change who
//! comes.

use std::fmt::Write as _;
use std::path::Path;

use crate::Outcome;
use crate::rng::Rng;

/// Headquarters with the web shop, the store with its tills, the kiosks. Each but the first hangs on the link of its
/// own number: the store on headquarters, the kiosks on the store.
pub const REPLICAS: usize = 5;
pub const HEADQUARTERS: usize = 0;
pub const STORE: usize = 1;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
pub const DAY_MS: u64 = 24 * HOUR_MS;
/// When the shop opens and closes; the web shop never does.
const OPEN_MS: (u64, u64) = (8 * HOUR_MS, 22 * HOUR_MS);
/// Of a thousand customers those of each replica: most come to the tills, a third of them to the others.
const SHARES: [u64; REPLICAS] = [140, 640, 100, 70, 50];

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub items: usize,
    pub days: u64,
    /// Customers, each with one item.
    pub visits: usize,
}

/// What happens.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A customer asks a replica for units of an item. Promised, they leave after a while, with the goods or without.
    Visit(Visit),
    /// Goods come to the store.
    Deliver { item: usize, units: u64 },
    /// A link is gone.
    Cut { link: usize },
    /// It is back.
    Mend { link: usize },
}

#[derive(Debug, Clone, Copy)]
pub struct Visit {
    pub at: usize,
    pub item: usize,
    pub units: u64,
    pub stays_ms: u64,
    pub buys: bool,
}

/// A trace: events in the order of their time, in milliseconds.
pub struct Trace {
    pub size: Size,
    pub events: Vec<(u64, Event)>,
}

impl Trace {
    /// The trace of a seed.
    pub fn draw(seed: u64, size: Size) -> Self {
        let mut trace = Self {
            size,
            events: Vec::new(),
        };
        let wanted = trace.draw_visits(&mut Rng::new(seed, 1));
        trace.draw_deliveries(&mut Rng::new(seed, 2), &wanted);
        trace.draw_outages(&mut Rng::new(seed, 3));
        // Of the same millisecond: in the order in which they were drawn.
        trace.events.sort_by_key(|(ms, _)| *ms);
        trace
    }

    /// Customers. A few items are wanted by many, most by few (Zipf's law), and those that are wanted most are others
    /// at each kiosk and on the web.
    fn draw_visits(&mut self, rng: &mut Rng) -> Vec<u64> {
        let Size { items, days, visits } = self.size;
        let mut wanted = vec![0; items];
        let mut sums = Vec::with_capacity(items);
        let mut sum = 0;
        for rank in 0..items as u64 {
            sum += 1_000_000_000 / (rank + 10);
            sums.push(sum);
        }
        for _ in 0..visits {
            let mut share = rng.below(SHARES.iter().sum());
            let mut at = 0;
            while share >= SHARES[at] {
                share -= SHARES[at];
                at += 1;
            }
            let day_ms = rng.below(days) * DAY_MS;
            let ms = day_ms
                + match at {
                    HEADQUARTERS => rng.below(DAY_MS),
                    // More in the afternoon: the later of two draws.
                    _ => rng
                        .between(OPEN_MS.0, OPEN_MS.1)
                        .max(rng.between(OPEN_MS.0, OPEN_MS.1 - HOUR_MS)),
                };
            let drawn = rng.below(sum);
            let rank = sums.partition_point(|sum| *sum <= drawn);
            let shift = if at == STORE { 0 } else { 101 * (1 + at) };
            let item = (rank + shift) % items;
            let units = *rng.pick(&[1, 1, 1, 1, 1, 2, 2, 3]).unwrap_or(&1);
            wanted[item] += units;
            let visit = Visit {
                at,
                item,
                units,
                stays_ms: rng.between(20_000, 300_000),
                buys: rng.chance(800),
            };
            self.events.push((ms, Event::Visit(visit)));
        }
        wanted
    }

    /// Goods: what customers want of each item in all, up to three tenths less or more, in a first load and four deliveries.
    /// So about 8 of 100 customers would find the shelf empty if no link were ever cut, as surveys of shops find (T. Gruen
    /// and D. Corsten, 2002: 8.3 %).
    fn draw_deliveries(&mut self, rng: &mut Rng, wanted: &[u64]) {
        let days = self.size.days;
        for (item, wanted) in wanted.iter().enumerate() {
            let all = (wanted * rng.between(700, 1_300)).div_ceil(1_000).max(1);
            let mut left = all;
            for load in 0..5 {
                let units = if load == 4 { left } else { left.min(all.div_ceil(5)) };
                left -= units;
                if units > 0 {
                    let ms = days * DAY_MS * load / 5 + if load == 0 { 0 } else { 6 * HOUR_MS };
                    self.events.push((ms, Event::Deliver { item, units }));
                }
            }
        }
    }

    /// Links: the one to headquarters is away for minutes often and for a day sometimes, those of kiosks for minutes
    /// and hours.
    fn draw_outages(&mut self, rng: &mut Rng) {
        let end_ms = self.size.days * DAY_MS;
        for link in 1..REPLICAS {
            let mut ms = rng.between(HOUR_MS, 12 * HOUR_MS);
            while ms < end_ms {
                let long = rng.chance(150);
                let down_ms = match (link, long) {
                    (STORE, true) => rng.between(8 * HOUR_MS, 30 * HOUR_MS),
                    (_, true) => rng.between(2 * HOUR_MS, 8 * HOUR_MS),
                    (_, false) => rng.between(2 * MINUTE_MS, 40 * MINUTE_MS),
                };
                self.events.push((ms, Event::Cut { link }));
                self.events.push((ms + down_ms, Event::Mend { link }));
                ms += down_ms + rng.between(2 * HOUR_MS, 18 * HOUR_MS);
            }
        }
    }

    /// Writes it where programs in other languages read it: a line of JSON each, the first says how large it is.
    pub fn write(&self, file: &Path) -> Outcome<()> {
        let Size { items, days, .. } = self.size;
        let mut text = format!("{{\"items\":{items},\"days\":{days},\"replicas\":{REPLICAS}}}\n");
        for (ms, event) in &self.events {
            match event {
                Event::Visit(visit) => writeln!(
                    text,
                    "[{ms},\"visit\",{},{},{},{},{}]",
                    visit.at, visit.item, visit.units, visit.stays_ms, visit.buys
                )?,
                Event::Deliver { item, units } => writeln!(text, "[{ms},\"deliver\",{item},{units}]")?,
                Event::Cut { link } => writeln!(text, "[{ms},\"cut\",{link}]")?,
                Event::Mend { link } => writeln!(text, "[{ms},\"mend\",{link}]")?,
            }
        }
        Ok(std::fs::write(file, text)?)
    }

    /// How many of each kind.
    pub fn summary(&self) -> String {
        let count = |kind: fn(&Event) -> bool| self.events.iter().filter(|(_, event)| kind(event)).count();
        let delivered = self.events.iter().map(|(_, event)| match event {
            Event::Deliver { units, .. } => *units,
            _ => 0,
        });
        format!(
            "{} days, {} items, {} units, {} customers, {} outages of 4 links",
            self.size.days,
            self.size.items,
            delivered.sum::<u64>(),
            count(|event| matches!(event, Event::Visit(_))),
            count(|event| matches!(event, Event::Cut { .. }))
        )
    }
}
