//! The node as it is shipped: the release binary in a process of its own, so that its memory and its threads are those
//! of a store, and the load that this process makes is not counted as its.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::baskets::{TAX_CLASS, TAX_PERCENT};
use crate::shop::{NODE, ORG};

/// Far more than a start or a stop takes; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running node. Dropping it kills it.
pub struct NodeProcess {
    child: Child,
    log: PathBuf,
    /// Where it answers.
    pub address: SocketAddr,
}

impl NodeProcess {
    /// Starts the node of a data folder; it may not answer yet.
    pub fn spawn(folder: &Path, broker_port: Option<u16>) -> Outcome<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = folder.join("node.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_finalmarket"));
        command.arg("node").arg("--data").arg(folder);
        command.args(["--org", ORG, "--node", NODE, "--site", NODE]);
        command.args(["--listen", &address.to_string()]);
        command.args(["--tax", &format!("{TAX_CLASS}={TAX_PERCENT}"), "--tax-basis", "added"]);
        if let Some(port) = broker_port {
            command.args(["--broker", &format!("127.0.0.1:{port}")]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        Ok(Self {
            child: command.spawn()?,
            log,
            address,
        })
    }

    /// Starts the node of a data folder and waits until it answers.
    pub fn start(folder: &Path, broker_port: Option<u16>) -> Outcome<Self> {
        let mut node = Self::spawn(folder, broker_port)?;
        node.connect()?;
        Ok(node)
    }

    /// Waits until it takes connections and gives the first.
    pub fn connect(&mut self) -> Outcome<TcpStream> {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Ok(stream) = TcpStream::connect(self.address) {
                return Ok(stream);
            }
            if self.child.try_wait()?.is_some() || Instant::now() > until {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                return Err(format!("the node does not answer:\n{said}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A figure of its memory in bytes: `VmRSS` is what it has now, `VmHWM` the most that it had.
    pub fn memory_bytes(&self, name: &str) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes.ok_or("the system does not tell")?.trim().parse()?;
        Ok(kibibytes * 1024)
    }

    /// The processor time that it has used, in milliseconds.
    pub fn cpu_ms(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        // utime and stime are fields 14 and 15 of proc(5), in hundredths of a second.
        let (user, system) = ticks(11).zip(ticks(12)).ok_or("the system does not tell")?;
        Ok((user + system) * 10.0)
    }

    /// Stops it in order.
    pub fn stop(mut self) -> Outcome<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let until = Instant::now() + DEADLINE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                return Err("the node does not stop".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // Where it has ended already there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
