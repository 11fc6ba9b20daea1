//! Headquarters, its broker, a store's node and its kiosks' nodes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::books;
use crate::http::{Connection, Reply, Request};
use crate::mosquitto::{Mosquitto, STOCK};
use crate::node_process::{DEADLINE, NodeProcess, PROGRAM, Reached};
use crate::ports::free_port;
use crate::seller::{Sold, cents};
use crate::till::SKU;

pub struct Tree {
    folder: TempDir,
    pub broker: Mosquitto,
    hq: Option<NodeProcess>,
    hq_reached: Reached,
    store_port: u16,
    /// The store's node, where it runs.
    pub store: Option<Node>,
}

/// A running node.
pub struct Node {
    process: NodeProcess,
    pub name: String,
    pub reached: Reached,
}

impl Tree {
    /// Headquarters, a broker and the store's node.
    pub fn open() -> Self {
        Self::open_with(STOCK)
    }

    /// The same with a broker that is configured so.
    pub fn open_with(template: &str) -> Self {
        let mut tree = Self::without_store(template);
        tree.start_store();
        tree
    }

    /// Headquarters and a broker: no node has ever been there.
    pub fn without_store(template: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let broker = Mosquitto::start(template);
        let (hq, hq_reached) = headquarters(&folder.path().join("hq"), &broker);
        Self {
            folder,
            broker,
            hq: Some(hq),
            hq_reached,
            store_port: free_port(),
            store: None,
        }
    }

    pub fn disk(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn store(&self) -> &Node {
        self.store.as_ref().expect("it runs")
    }

    pub fn start_store(&mut self) {
        let broker = format!("127.0.0.1:{}", self.broker.port());
        let listen = format!("127.0.0.1:{}", self.store_port);
        let mut command = node("store-1", &self.disk("store"), &listen);
        self.store = Some(Node::start(
            "store-1",
            command.args(["--broker", &broker]),
            &self.disk("store"),
        ));
    }

    pub fn kill_store(&mut self) {
        self.store.take().expect("it runs").process.kill();
    }

    #[track_caller]
    pub fn stop_store(&mut self) {
        self.store.take().expect("it runs").stop();
    }

    /// Where kiosks find the store.
    pub fn parent(&self) -> String {
        format!("http://127.0.0.1:{}", self.store_port)
    }

    /// Pairs a kiosk's node with the store, as two people do it: one at each machine.
    pub fn join(&self, kiosk: &str) {
        let store = self.disk("store").display().to_string();
        let code = done(&["pair", "--with", &store, "--name", kiosk, "node"]);
        let data = self.disk(kiosk).display().to_string();
        done(&[
            "join",
            "--data",
            &data,
            "--parent",
            &self.parent(),
            "--code",
            code.trim(),
        ]);
    }

    /// Starts a kiosk's node that has joined.
    pub fn start(&self, kiosk: &str) -> Node {
        self.start_over(kiosk, kiosk)
    }

    /// Starts a kiosk's node over a disk.
    pub fn start_over(&self, kiosk: &str, disk: &str) -> Node {
        let disk = self.disk(disk);
        let mut command = node(kiosk, &disk, "127.0.0.1:0");
        Node::start(kiosk, command.args(["--parent", &self.parent()]), &disk)
    }

    /// Starts a kiosk's node that has joined, by a configuration file with more in it.
    pub fn start_configured(&self, kiosk: &str, more: &str) -> Node {
        let (disk, parent) = (self.disk(kiosk), self.parent());
        let file = self.disk(&format!("{kiosk}.toml"));
        let text = format!(
            "data = {:?}\nnode = {kiosk:?}\nsite = \"store-1\"\nlisten = \"127.0.0.1:0\"\nparent = {parent:?}\n\
            [sale]\ncurrency = \"USD\"\ntax_rates = {{ standard = \"0\" }}\n{more}",
            disk.display().to_string(),
        );
        fs::write(&file, text).expect("its configuration");
        let mut command = Command::new(PROGRAM);
        command.args(["node", "--config"]).arg(&file);
        Node::start(kiosk, &mut command, &disk)
    }

    /// Starts a kiosk's node for the first time and waits until it has the store's goods.
    pub fn open_kiosk(&self, kiosk: &str) -> Node {
        self.join(kiosk);
        let node = self.start(kiosk);
        node.has_goods();
        node
    }

    /// Starts the node of another site, which has that name too.
    pub fn open_site(&self, site: &str) -> Node {
        let mut command = Command::new(PROGRAM);
        command.args(["node", "--node", site, "--site", site, "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(self.disk(site));
        let broker = format!("127.0.0.1:{}", self.broker.port());
        Node::start(site, command.args(["--broker", &broker]), &self.disk(site))
    }

    /// Starts another node of the store's site, beside the store's and as near to headquarters.
    pub fn open_beside(&self, name: &str) -> Node {
        let mut command = node(name, &self.disk(name), "127.0.0.1:0");
        let broker = format!("127.0.0.1:{}", self.broker.port());
        Node::start(name, command.args(["--broker", &broker]), &self.disk(name))
    }

    pub fn kill_headquarters(&mut self) {
        self.hq.take().expect("it runs").kill();
    }

    pub fn start_headquarters(&mut self) {
        let (hq, reached) = headquarters(&self.disk("hq"), &self.broker);
        (self.hq, self.hq_reached) = (Some(hq), reached);
    }

    /// Headquarters publishes the goods.
    pub fn publish_goods(&self) {
        let entry = json!({"key": SKU, "body": goods("3.99")});
        let body = json!({"entries": [entry]}).to_string();
        self.ask(Request::post("/v1/feeds/catalog", "goods", &body)).ok(200);
    }

    /// Reads at headquarters.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.ask(Request::get(path)).ok(200)
    }

    pub fn ask(&self, request: Request<'_>) -> Reply {
        let mut connection = Connection::open(self.hq_reached.address).expect("headquarters");
        connection.ask(request.by(&self.hq_reached.token)).expect("an answer")
    }

    /// What headquarters says of a node; null where it does not know it.
    pub fn node_at_headquarters(&self, name: &str) -> Value {
        let nodes = self.get("/v1/nodes");
        let nodes = nodes["nodes"].as_array().cloned().unwrap_or_default();
        nodes.into_iter().find(|node| node["node"] == name).unwrap_or_default()
    }

    /// Waits until headquarters has, and has counted, all that these nodes have written, and they know it.
    #[track_caller]
    pub fn has_everything_of(&self, nodes: &[&Node]) {
        let state = || {
            let said: Vec<Value> = nodes.iter().map(|node| node.get("/v1/sync")).collect();
            format!("{:#} {said:#?}", self.get("/v1/status"))
        };
        eventually("headquarters has everything", state, || {
            let sent = |node: &&Node| {
                let sync = node.get("/v1/sync");
                sync["link"] == "online" && sync["pending"] == 0
            };
            nodes.iter().all(sent) && self.has_counted()
        });
    }

    /// Whether everything that headquarters has is counted, but for what is set apart.
    pub fn has_counted(&self) -> bool {
        let status = self.get("/v1/status");
        let nodes = status["nodes"].as_array().into_iter().flatten();
        let mut lives = nodes.flat_map(|node| node["incarnations"].as_array().into_iter().flatten());
        let level = |life: &Value| {
            life["lag"] == 0 && (life["state"] != "counted" || life["counted_seq"] == life["acknowledged_seq"])
        };
        status["behind"] == 0 && lives.all(level)
    }

    /// Every sale that counts, by its identity, with its total; each must be there once.
    #[track_caller]
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

    /// Checks that exactly these sales count: one by one, and in the totals.
    #[track_caller]
    pub fn counts(&self, sold: &Sold) {
        let counted = self.sales();
        let missing: Vec<_> = sold.iter().filter(|(id, _)| !counted.contains_key(id)).collect();
        let beyond: Vec<_> = counted.iter().filter(|(id, _)| !sold.contains_key(id)).collect();
        assert!(
            missing.is_empty() && beyond.is_empty(),
            "missing: {missing:?}, beyond: {beyond:?}"
        );
        assert_eq!(counted, *sold);
        let totals = self.get("/v1/totals?limit=500");
        let days = totals["totals"].as_array().expect("totals");
        let sales: u64 = days.iter().filter_map(|day| day["sales"].as_u64()).sum();
        let total: i64 = days.iter().map(|day| cents(&day["total"])).sum();
        assert_eq!((sales, total), (sold.len() as u64, sold.values().sum()));
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

    /// What the store has of a kiosk on its disk, newest incarnation last: (received, acknowledged by headquarters).
    pub fn relayed(&self, kiosk: &str) -> Vec<(u64, u64)> {
        let sync = self.store().get("/v1/sync");
        let kiosks = sync["kiosks"].as_array().cloned().unwrap_or_default();
        let number = |of: &Value, name: &str| of[name].as_u64().unwrap_or_default();
        let of_kiosk = kiosks.iter().filter(|life| life["node"] == kiosk);
        of_kiosk
            .map(|life| (number(life, "received_seq"), number(life, "acknowledged_seq")))
            .collect()
    }

    /// Waits until the store has everything that a kiosk has written, whatever headquarters has.
    #[track_caller]
    pub fn store_has_everything_of(&self, kiosk: &Node) {
        let head = || {
            let sync = kiosk.get("/v1/sync");
            let lives = sync["incarnations"].as_array().cloned().unwrap_or_default();
            lives
                .last()
                .and_then(|life| life["head_seq"].as_u64())
                .unwrap_or_default()
        };
        let received = || self.relayed(&kiosk.name).last().map_or(0, |(received, _)| *received);
        let state = || format!("{:#} {:#}", self.store().get("/v1/sync"), kiosk.get("/v1/sync"));
        eventually("the store has everything of the kiosk", state, || received() == head());
    }

    /// Ends in order, and audits every disk that was named.
    #[track_caller]
    pub fn close(mut self, nodes: Vec<Node>) {
        for node in nodes {
            let disk = self.disk(&node.name);
            node.stop();
            audit(&disk);
        }
        if let Some(store) = self.store.take() {
            store.stop();
            audit(&self.disk("store"));
        }
        let ended = self.hq.take().expect("it runs").stop();
        assert!(ended.status.success(), "{}", ended.log);
        done(&["verify", "--data", &self.disk("hq").display().to_string()]);
    }
}

impl Node {
    /// Starts a node over a disk and waits until it answers.
    pub fn start(name: &str, command: &mut Command, disk: &Path) -> Self {
        let process = NodeProcess::spawn(command);
        let reached = process.serves(disk);
        let name = name.to_owned();
        Self { process, name, reached }
    }

    /// Reads as the node's operator.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.ask(Request::get(path)).ok(200)
    }

    #[track_caller]
    pub fn ask(&self, request: Request<'_>) -> Reply {
        let mut connection = Connection::open(self.reached.address).expect("a node");
        connection.ask(request.by(&self.reached.token)).expect("an answer")
    }

    /// Brings the goods to this node itself.
    pub fn import_goods(&self, price: &str, key: &str) {
        let body = json!({"items": [goods(price)]}).to_string();
        self.ask(Request::post("/v1/products/import", key, &body)).ok(200);
    }

    /// Waits until it has the goods.
    #[track_caller]
    pub fn has_goods(&self) {
        let path = format!("/v1/products/{SKU}");
        let state = || format!("{:#}", self.get("/v1/sync"));
        eventually("the goods are there", state, || {
            self.ask(Request::get(&path)).status == 200
        });
    }

    /// What the goods cost here.
    pub fn price(&self) -> String {
        let product = self.get(&format!("/v1/products/{SKU}"));
        product["price"].as_str().expect("a price").to_owned()
    }

    /// Cuts its link by hand, or mends it.
    #[track_caller]
    pub fn cut(&self, key: &str, cut: bool) {
        let body = format!("{{\"cut\": {cut}}}");
        self.ask(Request::post("/v1/link", key, &body)).ok(200);
    }

    /// Waits until its link stands so.
    #[track_caller]
    pub fn link_is(&self, expected: &str) {
        let state = || format!("{:#}", self.get("/v1/sync"));
        eventually("the link stands so", state, || self.get("/v1/sync")["link"] == expected);
    }

    pub fn kill(self) {
        self.process.kill();
    }

    pub fn log(&self, text: &str) -> Vec<String> {
        self.process.said(text)
    }

    pub fn wait_for_log(&self, text: &str) {
        self.process.wait_for(text, 1);
    }

    #[track_caller]
    pub fn stop(self) {
        let ended = self.process.stop();
        assert!(ended.status.success(), "{}", ended.log);
    }
}

/// The node of store-1's site over a disk.
pub fn node(name: &str, disk: &Path, listen: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args([
        "node", "--node", name, "--site", "store-1", "--listen", listen, "--data",
    ]);
    command.arg(disk);
    command
}

fn goods(price: &str) -> Value {
    json!({"sku": SKU, "gtin": null, "name": "Chocolate", "department": "", "brand": "", "size": "",
        "price": price, "tax_class": "standard"})
}

fn headquarters(disk: &Path, broker: &Mosquitto) -> (NodeProcess, Reached) {
    let mut command = Command::new(PROGRAM);
    command.args(["hq", "--listen", "127.0.0.1:0", "--data"]).arg(disk);
    command.arg("--broker").arg(format!("127.0.0.1:{}", broker.port()));
    let hq = NodeProcess::spawn(&mut command);
    let reached = hq.answers(disk);
    (hq, reached)
}

/// Sound books, by the project's own command and by an audit that shares no code.
#[track_caller]
pub fn audit(disk: &Path) {
    done(&["verify", "--data", disk.to_str().expect("a folder in UTF-8")]);
    books::audit_folder(disk, None).expect("sound books");
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
