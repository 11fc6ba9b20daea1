//! One store with a node that sells and a standby, and headquarters.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use crate::http::{Connection, Reply, Request};
use crate::mosquitto::STOCK;
use crate::node_process::{NodeProcess, Reached};
use crate::ports::free_port;
use crate::seller::Sold;
use crate::tree::{Tree, done, eventually, node};

pub const SELLS: &str = "the node serves its tills";
pub const FOLLOWS: &str = "this node is a standby and sells nothing";

pub struct Shop {
    pub tree: Tree,
    /// The ports of the two machines.
    ports: [u16; 2],
}

/// One of the two machines, by its number.
pub struct Machine {
    pub process: NodeProcess,
    pub disk: PathBuf,
    address: SocketAddr,
}

impl Shop {
    /// Headquarters with a catalog.
    pub fn open() -> Self {
        let tree = Tree::without_store(STOCK);
        tree.publish_goods();
        Self {
            tree,
            ports: [free_port(), free_port()],
        }
    }

    pub fn url(&self, machine: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[machine])
    }

    /// Starts a machine; `says` is what it says once it is there.
    pub fn start(&self, machine: usize, arguments: &[&str], says: &str) -> Machine {
        let disk = self.disk(machine);
        let listen = format!("127.0.0.1:{}", self.ports[machine]);
        let broker = format!("127.0.0.1:{}", self.tree.broker.port());
        let mut command = node("store-1", &disk, &listen);
        let process = NodeProcess::spawn(command.args(["--broker", &broker]).args(arguments));
        process.wait_for(says, 1);
        Machine {
            process,
            disk,
            address: listen.parse().expect("an address"),
        }
    }

    /// Starts a machine that sells and waits until it has the goods.
    pub fn sells(&self, machine: usize, arguments: &[&str]) -> Machine {
        let machine = self.start(machine, arguments, SELLS);
        let path = format!("/v1/products/{}", crate::till::SKU);
        eventually("the goods are there", String::new, || {
            machine.ask(Request::get(&path)).status == 200
        });
        machine
    }

    /// Pairs a machine as the standby of another one, as two people do it: one at each machine.
    pub fn join(&self, machine: usize, of: usize) {
        let with = self.disk(of).display().to_string();
        let code = done(&["pair", "--with", &with, "--name", "second machine", "standby"]);
        let data = self.disk(machine).display().to_string();
        done(&[
            "join",
            "--data",
            &data,
            "--parent",
            &self.url(of),
            "--code",
            code.trim(),
        ]);
    }

    /// Starts a machine that follows another one.
    pub fn follows(&self, machine: usize, of: usize, arguments: &[&str]) -> Machine {
        let of = self.url(of);
        self.start(machine, &[&["--standby-of", &of], arguments].concat(), FOLLOWS)
    }

    pub fn disk(&self, machine: usize) -> PathBuf {
        self.tree.disk(&format!("machine-{machine}"))
    }

    /// Waits until headquarters counts exactly these sales.
    #[track_caller]
    pub fn counts(&self, sold: &Sold) {
        let state = || {
            format!(
                "{} of {}: {:#}",
                self.tree.sales().len(),
                sold.len(),
                self.tree.get("/v1/status")
            )
        };
        let all = || self.tree.has_counted() && self.tree.sales().len() >= sold.len();
        eventually("headquarters counts every sale", state, all);
        self.tree.counts(sold);
    }

    /// The incarnations of the store as headquarters has them, in the order in which they became known.
    pub fn lives(&self) -> Vec<Value> {
        let lives = self.tree.node_at_headquarters("store-1")["incarnations"].clone();
        lives.as_array().cloned().unwrap_or_default()
    }
}

impl Machine {
    pub fn reached(&self) -> Reached {
        self.process.serves(&self.disk)
    }

    /// Asks as its operator.
    #[track_caller]
    pub fn ask(&self, request: Request<'_>) -> Reply {
        let operator = finalmarket::node::operator::Operator::read(&self.disk).expect("the operator's file");
        let mut connection = Connection::open(self.address).expect("a node");
        connection.ask(request.by(&operator.token)).expect("an answer")
    }

    /// Waits until it says so of itself under `/v1/sync`.
    #[track_caller]
    pub fn sync_is(&self, what: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let sync = || self.ask(Request::get("/v1/sync")).json();
        eventually(what, || format!("{:#}", sync()), || expected(&sync()));
        sync()
    }

    /// Waits until its standby has everything.
    #[track_caller]
    pub fn is_followed(&self) {
        self.sync_is("the standby has everything", |sync| {
            let standby = &sync["standbys"][0];
            standby["connected"] == true && standby["lag"] == 0
        });
    }

    pub fn promote(&self) -> String {
        let said = done(&["promote", "--at", &self.disk.display().to_string()]);
        self.process.wait_for(SELLS, 1);
        said
    }

    #[track_caller]
    pub fn stop(self) -> PathBuf {
        let ended = self.process.stop();
        assert!(ended.status.success(), "{}", ended.log);
        self.disk
    }
}
