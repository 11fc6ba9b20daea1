//! Headquarters with its broker, the disks of one store, and the commands by which an operator asks and decides.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::at_once::at_once;
use crate::books::{self, Books};
use crate::http::{Connection, Reply, Request};
use crate::mosquitto::{Mosquitto, STOCK};
use crate::node_process::{DEADLINE, NodeProcess, PROGRAM, Reached, node};
use crate::seller::{CENTS_EACH, Sold, cents, number};

pub struct Company {
    folder: TempDir,
    pub broker: Mosquitto,
    /// Always there, but while it is started again.
    hq: Option<NodeProcess>,
    reached: Reached,
}

/// A node that runs over one of the disks.
pub struct Store {
    process: NodeProcess,
    pub reached: Reached,
    pub disk: PathBuf,
}

/// What headquarters says of one incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    pub name: String,
    pub state: String,
    pub reason: String,
}

impl Company {
    pub fn open() -> Self {
        let folder = TempDir::new().expect("a folder");
        let broker = Mosquitto::start(STOCK);
        let (hq, reached) = headquarters(&folder.path().join("hq"), &broker);
        Self {
            folder,
            broker,
            hq: Some(hq),
            reached,
        }
    }

    /// A disk by its name; it need not exist.
    pub fn disk(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the store's node over a disk.
    pub fn start(&self, disk: &str) -> Store {
        let broker = format!("127.0.0.1:{}", self.broker.port());
        Store::start(node(&self.disk(disk)).args(["--broker", &broker]), self.disk(disk))
    }

    /// Starts the store's node over a disk, without a link.
    pub fn start_alone(&self, disk: &str) -> Store {
        Store::start(&mut node(&self.disk(disk)), self.disk(disk))
    }

    /// Stops headquarters in order and starts it again.
    #[track_caller]
    pub fn restart_headquarters(&mut self) {
        let ended = self.hq.take().expect("it runs").stop();
        assert!(ended.status.success(), "{}", ended.log);
        self.start_headquarters();
    }

    /// Kills headquarters with SIGKILL and starts it again.
    #[track_caller]
    pub fn kill_headquarters(&mut self) {
        self.hq.take().expect("it runs").kill();
        self.start_headquarters();
    }

    fn start_headquarters(&mut self) {
        let (hq, reached) = headquarters(&self.disk("hq"), &self.broker);
        (self.hq, self.reached) = (Some(hq), reached);
    }

    /// Asks headquarters the same from several clients at once.
    pub fn ask_at_once(&self, request: Request<'_>) -> Vec<Reply> {
        let hq = self.hq.as_ref().expect("it runs");
        at_once(hq, self.reached.address, request.by(&self.reached.token))
    }

    /// Reads at headquarters.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.ask(Request::get(path)).ok(200)
    }

    pub fn ask(&self, request: Request<'_>) -> Reply {
        let mut connection = Connection::open(self.reached.address).expect("headquarters");
        connection.ask(request.by(&self.reached.token)).expect("an answer")
    }

    /// Waits until every one of these nodes is online and headquarters has, and has counted, all that it will count.
    #[track_caller]
    pub fn has_everything_of(&self, stores: &[&Store]) {
        let sent = |store: &&Store| {
            let sync = store.get("/v1/sync");
            sync["link"] == "online" && sync["pending"] == 0
        };
        let state = || {
            format!(
                "{:#} {:#?}",
                self.get("/v1/status"),
                stores.iter().map(|store| store.get("/v1/sync")).collect::<Vec<_>>()
            )
        };
        eventually("headquarters has everything", state, || {
            stores.iter().all(sent) && self.has_counted()
        });
    }

    fn has_counted(&self) -> bool {
        let status = self.get("/v1/status");
        let nodes = status["nodes"].as_array().into_iter().flatten();
        let mut lives = nodes.flat_map(|node| node["incarnations"].as_array().into_iter().flatten());
        let level = |life: &Value| {
            life["lag"] == 0 && (life["state"] != "counted" || life["counted_seq"] == life["acknowledged_seq"])
        };
        status["behind"] == 0 && lives.all(level)
    }

    /// The incarnations of the store's node, oldest first.
    pub fn lives(&self) -> Vec<Life> {
        let nodes = self.get("/v1/nodes");
        let lives = nodes["nodes"][0]["incarnations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |life: &Value, name: &str| life[name].as_str().unwrap_or("-").to_owned();
        let life = |life: &Value| Life {
            name: text(life, "incarnation"),
            state: text(life, "state"),
            reason: text(life, "reason"),
        };
        lives.iter().map(life).collect()
    }

    /// The incarnations that wait for the operator's word, with why they opened.
    pub fn set_apart(&self) -> Vec<Life> {
        self.lives()
            .into_iter()
            .filter(|life| life.state == "set_apart")
            .collect()
    }

    /// Every sale that counts, by its identity, with its total.
    pub fn sales(&self) -> Sold {
        let (mut sold, mut cursor) = (Sold::new(), String::new());
        loop {
            let page = self.get(&format!("/v1/sales?limit=500{cursor}"));
            for sale in page["sales"].as_array().expect("sales") {
                let series = sale["series"].as_str().expect("a series").to_owned();
                let counter = sale["counter"].as_u64().expect("a count");
                let twice = sold.insert((series, counter), cents(&sale["total"]));
                assert_eq!(twice, None, "{sale}");
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return sold,
            }
        }
    }

    /// Checks that exactly these sales count: one by one, in the totals of all days, and in the stock.
    #[track_caller]
    pub fn counts(&self, sold: &Sold) {
        assert_eq!(self.sales(), *sold);
        let totals = self.get("/v1/totals?limit=500");
        let days = totals["totals"].as_array().expect("totals");
        let sales: u64 = days.iter().filter_map(|day| day["sales"].as_u64()).sum();
        let total: i64 = days.iter().map(|day| cents(&day["total"])).sum();
        assert_eq!((sales, total), (sold.len() as u64, sold.values().sum()));
        let stock = self.get("/v1/stock?limit=500");
        let stock = stock["stock"].as_array().expect("stock");
        let left: i64 = stock.iter().map(|item| number(&item["quantity"])).sum();
        assert_eq!(left, -total / CENTS_EACH, "{stock:?}");
    }

    /// Headquarters' own disk, by which commands find it.
    pub fn hq_disk(&self) -> String {
        self.disk("hq").display().to_string()
    }

    /// The operator says of an incarnation whether it counts.
    #[track_caller]
    pub fn settle(&self, life: &Life, decision: &str) {
        let at = self.hq_disk();
        let reason = ["--reason", "the shop was asked"];
        done(&[&["settle", "--at", &at, "store-1", &life.name, decision], &reason[..]].concat());
    }

    /// What the operator's glance shows that needs a person.
    pub fn alerts(&self) -> BTreeMap<String, String> {
        let status = self.get("/v1/status");
        let alerts = status["alerts"].as_array().cloned().unwrap_or_default();
        let text = |alert: &Value, name: &str| alert[name].as_str().unwrap_or("-").to_owned();
        alerts
            .iter()
            .map(|alert| (text(alert, "code"), text(alert, "detail")))
            .collect()
    }

    /// How many sales came again with the same content, and how many with another.
    pub fn came_again(&self) -> (usize, usize) {
        let count = |path| self.get(path)["conflicts"].as_array().map_or(0, Vec::len);
        (
            count("/v1/conflicts?repeats=true&limit=500"),
            count("/v1/conflicts?limit=500"),
        )
    }

    /// Ends in order.
    #[track_caller]
    pub fn close(self) {
        let ended = self.hq.expect("it runs").stop();
        assert!(ended.status.success(), "{}", ended.log);
    }
}

fn headquarters(disk: &Path, broker: &Mosquitto) -> (NodeProcess, Reached) {
    let mut command = Command::new(PROGRAM);
    command.args(["hq", "--listen", "127.0.0.1:0", "--data"]).arg(disk);
    command.arg("--broker").arg(format!("127.0.0.1:{}", broker.port()));
    let hq = NodeProcess::spawn(&mut command);
    let reached = hq.answers(disk);
    (hq, reached)
}

impl Store {
    fn start(command: &mut Command, disk: PathBuf) -> Self {
        let process = NodeProcess::spawn(command);
        let reached = process.serves(&disk);
        Self { process, reached, disk }
    }

    /// Reads at the node as its operator.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.ask(Request::get(path)).ok(200)
    }

    pub fn ask(&self, request: Request<'_>) -> Reply {
        let mut connection = Connection::open(self.reached.address).expect("a node");
        connection.ask(request.by(&self.reached.token)).expect("an answer")
    }

    /// Cuts its link by hand, or mends it.
    #[track_caller]
    pub fn cut(&self, key: &str, cut: bool) {
        let mut connection = Connection::open(self.reached.address).expect("a node");
        let body = format!("{{\"cut\": {cut}}}");
        let request = Request::post("/v1/link", key, &body).by(&self.reached.token);
        connection.ask(request).expect("an answer").ok(200);
    }

    /// Stops in order and gives its disk.
    #[track_caller]
    pub fn stop(self) -> PathBuf {
        let ended = self.process.stop();
        assert!(ended.status.success(), "{}", ended.log);
        self.disk
    }

    /// Stops in order; its books must be sound, by the project's own command and by an audit that shares no code.
    #[track_caller]
    pub fn stop_and_audit(self) -> Books {
        let disk = self.stop();
        done(&["verify", "--data", disk.to_str().expect("a folder in UTF-8")]);
        books::audit_folder(&disk, None).expect("sound books")
    }
}

/// Runs a command of the program, which must succeed; what it printed.
#[track_caller]
pub fn done(arguments: &[&str]) -> String {
    let output = command(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command of the program.
pub fn command(arguments: &[&str]) -> Output {
    let run = Command::new(PROGRAM).args(arguments).env("RUST_LOG", "warn").output();
    run.expect("the program")
}

/// Copies a disk as a tool that knows nothing of databases does: every file of the folder.
pub fn copy_disk(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let file = entry.expect("an entry").path();
        fs::copy(&file, to.join(file.file_name().expect("a name"))).expect("a copy");
    }
}

/// Asks again and again until it holds.
#[track_caller]
pub fn eventually(what: &str, state: impl Fn() -> String, holds: impl Fn() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < until, "waited in vain: {what}\n{}", state());
        std::thread::sleep(Duration::from_millis(20));
    }
}
