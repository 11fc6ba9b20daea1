//! (d) One month of demand, played by this project under its own policy and two others, and by three libraries that keep
//! figures without rights.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use finalmarket::domain::escrow::ReplicaId;
use finalmarket::sync::rights::{RightsConfig, Surplus};
use finalmarket::sync::shelves::{Document, DocumentId};

use crate::folder::Folder;
use crate::market::{Market, Result, SITE};
use crate::report::{Report, Target, Value, number};
use crate::rivals::{self, Loaded};
use crate::trace::Trace;
use crate::{Outcome, Plan, note};

/// The one trace.
const SEED: u64 = 30;

pub fn measure(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let trace = Trace::draw(SEED, plan.month);
    let folder = Folder::new("shelf-month")?;
    let file = folder.path("trace.jsonl");
    trace.write(&file)?;
    note(&format!("(d) {}", trace.summary()));

    let ours = [
        RightsConfig::headquarters(),
        RightsConfig::store(),
        RightsConfig::kiosk(),
    ];
    let started = Instant::now();
    let (result, papers) = Market::new(&trace, ours.clone(), true)?.play()?;
    let saved = papers.ok_or("no documents")?.saved();
    note(&format!("(d) this project: {:.1} s", started.elapsed().as_secs_f64()));
    let documents = folder.path("documents");
    fs::create_dir_all(&documents)?;
    for (n, (id, bytes)) in saved.iter().enumerate() {
        fs::write(
            documents.join(n.to_string()),
            postcard::to_allocvec(&(name(id), bytes))?,
        )?;
    }
    let loaded = loaded_by_another_process(&documents)?;

    report.part(&format!(
        "(d) {}: refusals, out of {} customers",
        trace.summary(),
        result.asked
    ));
    line(report, "this project, rights follow demand", &result, None);
    for (what, config) in [
        ("everything at the store", at_the_store as fn(&mut RightsConfig)),
        ("exact shortfall (Antidote)", exact_shortfall),
    ] {
        let mut theirs = ours.clone();
        theirs.iter_mut().for_each(config);
        let (other, _) = Market::new(&trace, theirs, false)?.play()?;
        line(report, what, &other, Some(&result));
    }
    let rivals = rivals::play(&file, &folder)?;
    for rival in &rivals {
        line(report, &rival.name, &rival.result, None);
    }

    report.part("(d) the same trace: units promised that were not there");
    report.line(
        "this project",
        format!("{} units sold", result.sold),
        Value::Of(result.oversold as f64, "oversold"),
        Target::AtMost(0.0),
    );
    for rival in &rivals {
        report.line(
            &rival.name,
            format!("{} units sold", rival.result.sold),
            Value::Of(rival.result.oversold as f64, "oversold"),
            Target::None,
        );
    }

    report.part(
        "(d) the same trace: bytes over four links, and what headquarters has at the end, loaded by a new process",
    );
    let bytes = result.document_bytes + result.rights_bytes;
    cost(report, "this project", bytes, &loaded, &loaded);
    report.line(
        "  of them requests, grants and their answers",
        format!("{} kB", number(result.rights_bytes as f64 / 1e3)),
        Value::Nothing,
        Target::None,
    );
    for rival in &rivals {
        cost(report, &rival.name, rival.bytes, &rival.loaded, &loaded);
    }
    folder.remove()?;
    if result.oversold > 0 {
        return Err(format!("{} units were promised that were not there", result.oversold).into());
    }
    Ok(())
}

fn at_the_store(config: &mut RightsConfig) {
    config.stock.horizon_ms = 0;
    config.return_after_ms = 0;
}

fn exact_shortfall(config: &mut RightsConfig) {
    config.stock.horizon_ms = 0;
    config.surplus = Surplus::Keep;
}

fn line(report: &mut Report, what: &str, result: &Result, ours: Option<&Result>) {
    let target = match ours {
        // More than ours.
        Some(ours) => Target::AtLeast(ours.refused as f64 + 1.0),
        None => Target::None,
    };
    report.line(
        what,
        format!("{} beside goods", number(result.refused_beside_goods as f64)),
        Value::Of(result.refused as f64, "refused"),
        target,
    );
}

fn cost(report: &mut Report, what: &str, bytes: u64, loaded: &Loaded, ours: &Loaded) {
    let text = format!("{} kB over links", number(bytes as f64 / 1e3));
    report.line(what, text, Value::Nothing, Target::None);
    report.line(
        "  saved; loading it takes",
        format!("{} kB", number(loaded.bytes as f64 / 1e3)),
        Value::Ratio(vec![loaded.load_ms / ours.load_ms]),
        Target::None,
    );
    report.line(
        "  memory that it takes",
        format!("{:.0} ms to load", loaded.load_ms),
        Value::Of(loaded.memory_bytes as f64 / 1e6, "MB"),
        Target::None,
    );
}

type Name = (ReplicaId, u32, u32);

fn name(id: &DocumentId) -> Name {
    (id.writer.clone(), id.bucket, id.generation)
}

fn loaded_by_another_process(documents: &Path) -> Outcome<Loaded> {
    let done = Command::new(std::env::current_exe()?)
        .arg("--load")
        .arg(documents)
        .output()?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// Loads all documents of a folder and prints what it took.
pub fn load(folder: &Path) -> Outcome<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(fs::read(entry?.path())?);
    }
    let before = resident_bytes()?;
    let started = Instant::now();
    let (mut documents, mut bytes) = (Vec::new(), 0);
    for file in &files {
        let ((writer, bucket, generation), saved): (Name, Vec<u8>) = postcard::from_bytes(file)?;
        let id = DocumentId {
            site: SITE.parse()?,
            writer,
            bucket,
            generation,
        };
        bytes += saved.len() as u64;
        documents.push(Document::load(id, &saved)?);
    }
    let rows: usize = documents.iter().map(|document| document.rows().count()).sum();
    let load_ms = started.elapsed().as_secs_f64() * 1e3;
    let memory_bytes = resident_bytes()?.saturating_sub(before);
    if rows == 0 {
        return Err("no rows in these documents".into());
    }
    let loaded = Loaded {
        load_ms,
        memory_bytes,
        bytes,
    };
    println!("{}", serde_json::to_string(&loaded)?);
    Ok(())
}

fn resident_bytes() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u64 = kibibytes.ok_or("the system does not tell")?.trim().parse()?;
    Ok(kibibytes * 1024)
}
