//! (a) What headquarters hears of a store where 500 of 10,000 items were touched, in every bucket: bytes, and the
//! time to take them in.

use std::time::Instant;

use finalmarket::domain::escrow::{Amount, ReplicaId, Row, Shelf};
use finalmarket::domain::ids::{Incarnation, Sku};
use finalmarket::sync::shelves::{Document, DocumentId, Heads, Parcel, SKUS_MAX};

use crate::market::SITE;
use crate::report::{Report, Target, Value, number};
use crate::{Outcome, Plan};

const ITEMS: usize = 10_000;
const TOUCHED: usize = 500;
const SALES: [u64; 3] = [1, 100, 10_000];
/// So much goes into a parcel before it is compressed, as in the product.
const PARCEL_BYTES_MAX: usize = 60 << 10;

/// A store's rows with its documents, and those that headquarters has.
#[derive(Clone)]
struct Both {
    rows: Vec<Row>,
    written: Vec<Document>,
    read: Vec<Document>,
}

pub fn measure(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let skus = (0..ITEMS).map(|item| format!("{:07}", 1_000_000 + item * 37).parse());
    let skus: Vec<Sku> = skus.collect::<Result<_, _>>()?;
    let stocked = stocked(&skus)?;
    let mut bytes = [0; SALES.len()];
    let mut rounds: [Vec<(f64, f64)>; SALES.len()] = Default::default();
    for _ in 0..plan.merges {
        for (at, sales) in SALES.into_iter().enumerate() {
            let mut both = stocked.clone();
            let (sealed, write_ms) = touched(&mut both, &skus, sales)?;
            bytes[at] = sealed.iter().map(Vec::len).sum();
            let started = Instant::now();
            for sealed in &sealed {
                for (bucket, _, changes) in Parcel::open(sealed)?.documents {
                    let document = both.read.get_mut(bucket as usize).ok_or("an unknown bucket")?;
                    document.apply(&changes)?;
                }
            }
            rounds[at].push((write_ms, started.elapsed().as_secs_f64() * 1e3));
            let same = |(written, read): (&Document, &Document)| written.rows().eq(read.rows());
            if !both.written.iter().zip(&both.read).all(same) {
                return Err("headquarters reads something else than the store wrote".into());
            }
        }
    }

    report.part(&format!(
        "(a) {TOUCHED} of {ITEMS} items in {} documents: the store writes and packs, headquarters unpacks and merges",
        stocked.written.len()
    ));
    let per_item = |at: usize| bytes[at] as f64 / TOUCHED as f64;
    for (at, sales) in SALES.into_iter().enumerate() {
        let (value, target) = match at {
            0 => (per_item(0), Target::AtMost(14.0)),
            _ => (per_item(at) - per_item(0), Target::AtMost(6.0)),
        };
        let what = if at == 0 { "bytes/item" } else { "bytes/item more" };
        let figure = format!("{} bytes, {:.1} each", number(bytes[at] as f64), per_item(at));
        let name = format!("{} sales of each item", number(sales as f64));
        report.line(name, figure, Value::Of(value, what), target);
    }
    for (at, sales) in SALES.into_iter().enumerate() {
        let ratio = |of: fn(&(f64, f64)) -> f64| {
            let pairs = rounds[at].iter().zip(&rounds[0]);
            pairs.map(|(round, first)| of(round) / of(first)).collect()
        };
        let median = |of: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = rounds[at].iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let name = |what: &str| format!("time to {what}, {} sales each", number(sales as f64));
        let figure = |ms: f64| format!("{ms:.1} ms");
        report.line(
            name("write"),
            figure(median(|round| round.0)),
            Value::Ratio(ratio(|round| round.0)),
            Target::None,
        );
        report.line(
            name("merge"),
            figure(median(|round| round.1)),
            Value::Ratio(ratio(|round| round.1)),
            Target::None,
        );
    }
    Ok(())
}

fn replica(name: &str, counter: u32) -> Outcome<ReplicaId> {
    let random = 0x9E37_79B9_7F4A_7C15;
    Ok(ReplicaId {
        node: name.parse()?,
        incarnation: Incarnation { counter, random },
    })
}

/// Every register of every row is in use: goods came in, rights were given to a kiosk and taken over from headquarters,
/// something was sold in hand beyond the rights and settled.
fn stocked(skus: &[Sku]) -> Outcome<Both> {
    let (kiosk, hq, store) = (replica("kiosk-1", 1)?, replica("hq", 1)?, replica(SITE, 1)?);
    let mut rows = vec![Row::default(); skus.len()];
    for (item, row) in rows.iter_mut().enumerate() {
        let item = item as u64;
        row.take(units(1 + item % 3)?)?;
        row.add(units(12_000 + item % 700)?)?;
        row.give(&kiosk, units(1 + item % 40)?)?;
        row.accept(&hq, units(1 + item % 25)?)?;
        let sold = units(3 + item % 90)?;
        row.hold(sold, &Shelf::default())?;
        row.sell_held(sold)?;
    }
    let (mut written, mut read) = (Vec::new(), Vec::new());
    for (bucket, (skus, rows)) in skus.chunks(SKUS_MAX).zip(rows.chunks(SKUS_MAX)).enumerate() {
        let id = DocumentId {
            site: SITE.parse()?,
            writer: store.clone(),
            bucket: u32::try_from(bucket)?,
            generation: 0,
        };
        let mut document = Document::create(id.clone())?;
        document.write(skus.iter().zip(rows), 1)?;
        let mut reader = Document::unheard(id);
        reader.apply(&document.changes_since(&Heads::default()))?;
        written.push(document);
        read.push(reader);
    }
    Ok(Both { rows, written, read })
}

/// So many sales, each out of a hold, of every twentieth item; then one sync point. The parcels, and how long writing
/// and packing took, in milliseconds.
fn touched(both: &mut Both, skus: &[Sku], sales: u64) -> Outcome<(Vec<Vec<u8>>, f64)> {
    let items: Vec<usize> = (0..ITEMS).step_by(ITEMS / TOUCHED).collect();
    for item in &items {
        for _ in 0..sales {
            both.rows[*item].hold(units(1)?, &Shelf::default())?;
            both.rows[*item].sell_held(units(1)?)?;
        }
    }
    let started = Instant::now();
    let mut sealed = Vec::new();
    let mut parcel = Parcel {
        site: SITE.parse()?,
        writer: replica(SITE, 1)?,
        documents: Vec::new(),
    };
    let mut size = 0;
    for (bucket, document) in both.written.iter_mut().enumerate() {
        let acknowledged = document.heads();
        let here = items.iter().filter(|item| **item / SKUS_MAX == bucket);
        let rows = &both.rows;
        document.write(
            here.map(|item| (&skus[*item], &rows[*item])),
            1 + sales * TOUCHED as u64,
        )?;
        let changes = document.changes_since(&acknowledged);
        let bytes: usize = changes.iter().map(Vec::len).sum();
        if size + bytes > PARCEL_BYTES_MAX {
            sealed.push(parcel.seal()?);
            parcel.documents.clear();
            size = 0;
        }
        size += bytes;
        parcel.documents.push((u32::try_from(bucket)?, 0, changes));
    }
    sealed.push(parcel.seal()?);
    Ok((sealed, started.elapsed().as_secs_f64() * 1e3))
}

fn units(units: u64) -> Outcome<Amount> {
    Ok(Amount::new(units * 1_000).ok_or("too many units")?)
}
