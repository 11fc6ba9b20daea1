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

    let started = Instant::now();
    let (result, papers) = Market::new(&trace, ours(), true)?.play()?;
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

    let mut systems = vec![System {
        name: "this project, rights follow demand".to_owned(),
        result,
        bytes: Some(result.document_bytes + result.rights_bytes),
        loaded: Some(loaded),
    }];
    for (name, config) in BASELINES {
        systems.push(System {
            name: name.to_owned(),
            result: play(&trace, config)?,
            bytes: None,
            loaded: None,
        });
    }
    for rival in rivals::play(&file, &folder)? {
        systems.push(System {
            name: rival.name,
            result: rival.result,
            bytes: Some(rival.bytes),
            loaded: Some(rival.loaded),
        });
    }
    folder.remove()?;
    report.part(&format!("(d) {}\n{}", trace.summary(), table(&systems)));
    let fewer = systems.iter().skip(1).take(BASELINES.len());
    for baseline in fewer {
        compare(
            report,
            &format!("fewer refused than {}", baseline.name),
            &result,
            &baseline.result,
        );
    }
    report.line(
        "promised beyond what was there",
        format!("{} units sold", number(result.sold as f64)),
        Value::Of(result.oversold as f64, "units"),
        Target::AtMost(0.0),
    );
    report.line(
        "requests, grants and their answers",
        format!("{} kB", number(result.rights_bytes as f64 / 1e3)),
        Value::Nothing,
        Target::None,
    );
    let mut oversold = result.oversold;
    report.part("(d) the same policies on other traces: another seed each, so other customers, goods and outages");
    for seed in plan.month_seeds.clone() {
        let trace = Trace::draw(seed, plan.month);
        let ours = play(&trace, |_| {})?;
        oversold += ours.oversold;
        report.line(
            format!("seed {seed}, {} customers", number(ours.asked as f64)),
            format!("{} refused", number(ours.refused as f64)),
            Value::Nothing,
            Target::None,
        );
        for (name, config) in BASELINES {
            compare(report, &format!("  fewer than {name}"), &ours, &play(&trace, config)?);
        }
    }
    if oversold > 0 {
        return Err(format!("{oversold} units were promised that were not there").into());
    }
    Ok(())
}

/// What makes another policy of a replica's configuration.
type Policy = fn(&mut RightsConfig);

/// What this project's policy is measured against.
const BASELINES: [(&str, Policy); 2] = [
    ("everything at the store", at_the_store),
    ("exact shortfall (Antidote)", exact_shortfall),
];

fn ours() -> [RightsConfig; 3] {
    [
        RightsConfig::headquarters(),
        RightsConfig::store(),
        RightsConfig::kiosk(),
    ]
}

/// Plays a trace under another policy, without documents.
fn play(trace: &Trace, policy: impl FnMut(&mut RightsConfig)) -> Outcome<Result> {
    let mut configs = ours();
    configs.iter_mut().for_each(policy);
    Ok(Market::new(trace, configs, false)?.play()?.0)
}

fn at_the_store(config: &mut RightsConfig) {
    config.shelf.stock.horizon_ms = 0;
    config.return_after_ms = 0;
}

fn exact_shortfall(config: &mut RightsConfig) {
    config.shelf.stock.horizon_ms = 0;
    config.surplus = Surplus::Keep;
}

/// A line of the table.
struct System {
    name: String,
    result: Result,
    /// Over all links; none where no documents were written.
    bytes: Option<u64>,
    loaded: Option<Loaded>,
}

/// All systems on one trace. What headquarters has at the end is saved, and loaded by a process that does nothing else.
fn table(systems: &[System]) -> String {
    let mut text = format!(
        "{:<36} {:>8} {:>12} {:>9} {:>8} {:>10} {:>8} {:>8} {:>7}",
        "", "refused", "beside goods", "oversold", "sold", "kB on links", "kB saved", "load ms", "MB"
    );
    for system in systems {
        let Result {
            refused,
            refused_beside_goods,
            oversold,
            sold,
            ..
        } = system.result;
        let kilobytes = system.bytes.map_or("-".to_owned(), |bytes| whole(bytes / 1_000));
        let loaded = |of: fn(&Loaded) -> f64| {
            system
                .loaded
                .as_ref()
                .map_or("-".to_owned(), |loaded| number(of(loaded)))
        };
        text += &format!(
            "\n{:<36} {:>8} {:>12} {:>9} {:>8} {kilobytes:>11} {:>8} {:>8} {:>7}",
            system.name,
            whole(refused),
            whole(refused_beside_goods),
            whole(oversold),
            whole(sold),
            loaded(|loaded| loaded.bytes as f64 / 1e3),
            loaded(|loaded| loaded.load_ms),
            loaded(|loaded| loaded.memory_bytes as f64 / 1e6),
        );
    }
    text
}

fn whole(n: u64) -> String {
    if n < 100 { n.to_string() } else { number(n as f64) }
}

/// By how many customers fewer we refused.
fn compare(report: &mut Report, what: &str, ours: &Result, theirs: &Result) {
    report.line(
        what,
        format!("{} refused", number(theirs.refused as f64)),
        Value::Of(theirs.refused as f64 - ours.refused as f64, "fewer"),
        Target::AtLeast(1.0),
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
