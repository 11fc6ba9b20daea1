//! What befalls the world while the trouble lasts, and what its operators do meanwhile.

use finalmarket::domain::fact::{OpenedReason, SettlementDecision};
use finalmarket::domain::ids::NodeId;
use finalmarket::sync::wire::FeedEntry;

use super::events::Event;
use super::hub_disk::{HubImage, Work};
use super::model::BranchId;
use super::network::HUB;
use super::node_disk::NodeDisk;
use super::node_disk::stored::item;
use super::options::Every;
use super::planted::Planted;
use super::promise::Checked;
use super::requests::sku;
use super::world::World;

/// The feeds that go down.
pub const FEEDS: [&str; 2] = ["catalog", "prices"];
/// How many machines there may be: more copies of one disk say nothing new.
const MACHINES_MAX: usize = 9;
/// How many images of disks are kept.
const IMAGES_MAX: usize = 6;

macro_rules! calamities {
    ($($(#[$doc:meta])* $name:ident $field:ident;)*) => {
        /// Something bad, or an operator.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Calamity { $($(#[$doc])* $name,)* }

        impl Calamity {
            /// Those that happen in a seed, each with the mean time between two of them.
            pub fn all(every: &Every) -> Vec<(Self, u64)> {
                let all = vec![$((Self::$name, every.$field),)*];
                all.into_iter().filter(|(_, mean_ms)| *mean_ms > 0).collect()
            }

            fn mean_ms(self, every: &Every) -> u64 {
                match self { $(Self::$name => every.$field,)* }
            }
        }
    };
}

calamities! {
    /// A node's process is killed.
    NodeKill node_kill;
    /// A node's power goes.
    NodePowerCut node_power_cut;
    /// Headquarters is killed.
    HubKill hub_kill;
    /// The broker is killed.
    BrokerKill broker_kill;
    /// A link is cut.
    LinkCut link_cut;
    /// A node's disk is full.
    NodeDiskFull node_disk_full;
    /// Headquarters' disk is full.
    HubDiskFull hub_disk_full;
    /// A node is backed up.
    Backup backup;
    /// A node is restored.
    Restore restore;
    /// A node's disk is set back behind its back.
    SetBack set_back;
    /// A node's disk is copied, and the copy runs beside it.
    Copy copy;
    /// Headquarters is backed up.
    HubBackup hub_backup;
    /// Headquarters is set back.
    HubSetBack hub_set_back;
    /// A node's clock jumps.
    ClockJump clock_jump;
    /// A node prunes.
    Prune prune;
    /// Headquarters publishes.
    Publish publish;
    /// An operator settles.
    Settle settle;
    /// A till goes to another machine of its node.
    TillMoves till_moves;
}

/// An image of a node's disk.
#[derive(Debug)]
pub struct Image {
    node: NodeId,
    disk: Box<dyn NodeDisk>,
    mark: (BranchId, usize),
}

impl Clone for Image {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            disk: self.disk.image(),
            mark: self.mark,
        }
    }
}

/// What operators have put by.
#[derive(Debug, Default)]
pub struct Shelf {
    images: Vec<Image>,
    hub: Option<HubImage>,
    published: u64,
}

impl World {
    /// Something happens, and will again.
    pub fn befall(&mut self, calamity: Calamity) -> Checked {
        if !self.trouble {
            return Ok(());
        }
        let mean_ms = calamity.mean_ms(&self.options.every_ms);
        let at_ms = self.now_ms + self.rng.between(1, mean_ms * 2);
        self.schedule(at_ms, Event::Calamity(calamity));
        let Some(machine) = self.rng.index(self.machines.len()) else {
            return Ok(());
        };
        let name = self.machines[machine].name.clone();
        self.note(|| format!("*** {calamity:?} (where one machine is meant: {name})"));
        match calamity {
            Calamity::NodeKill => self.node_falls(machine, false),
            Calamity::NodePowerCut => self.node_falls(machine, true),
            Calamity::HubKill => self.hub_falls()?,
            Calamity::BrokerKill if self.network.broker_up => self.kill_broker(),
            Calamity::BrokerKill => {}
            Calamity::LinkCut => {
                let client = self.rng.below(self.machines.len() as u64 + 1) as usize;
                let for_ms = self.rng.between(100, 30_000);
                self.cut_link(client, for_ms);
            }
            Calamity::NodeDiskFull => {
                self.machines[machine].disk.set_full(true);
                let at_ms = self.now_ms + self.rng.between(100, 15_000);
                self.schedule(at_ms, Event::Room(Some(machine)));
            }
            Calamity::HubDiskFull => {
                self.hub.disk.set_full(true);
                let at_ms = self.now_ms + self.rng.between(100, 15_000);
                self.schedule(at_ms, Event::Room(None));
            }
            Calamity::Backup => self.back_up(machine),
            Calamity::Restore => self.restore(),
            Calamity::SetBack => self.set_back(machine),
            Calamity::Copy => self.copy(machine),
            Calamity::HubBackup => self.watch.shelf.hub = Some(self.hub.disk.image()),
            Calamity::HubSetBack => self.set_headquarters_back()?,
            Calamity::ClockJump => {
                let off_ms = self.rng.below(400_000_000) as i64 - 200_000_000;
                self.machines[machine].clock_off_ms = off_ms;
            }
            Calamity::Prune if self.machines[machine].engine.is_some() => self.node_prunes(machine)?,
            Calamity::Prune => {}
            Calamity::Publish => {
                let feed = *self.rng.pick(&FEEDS).unwrap_or(&"catalog");
                self.publishes(feed);
            }
            Calamity::Settle => self.settles(),
            Calamity::TillMoves => self.till_moves(),
        }
        Ok(())
    }

    /// A disk has room again.
    pub fn make_room(&mut self, machine: Option<usize>) {
        match machine {
            Some(machine) => self.machines[machine].disk.set_full(false),
            None => self.hub.disk.set_full(false),
        }
    }

    /// An operator publishes a new version of something.
    pub fn publishes(&mut self, feed: &str) {
        self.watch.shelf.published += 1;
        let number = self.watch.shelf.published;
        let gone = self.rng.chance(150);
        let at = self.rng.below(12) as usize;
        let key = sku(at);
        let body = match (self.options.full, feed) {
            (None, _) => (!gone).then(|| format!("{{\"number\":{number},\"text\":\"{number:064x}\"}}")),
            // What a shop sells stays in its catalog, and at its price.
            (Some(_), "catalog") => serde_json::to_string(&item(at, number)).ok(),
            (Some(_), _) => (!gone).then(|| format!("{{\"price\":\"{}\"}}", item(at, 0).price)),
        };
        self.hub_works(Work::Publish(feed.to_owned(), FeedEntry { key, body }));
    }

    /// An operator settles everything that is set apart.
    pub fn settles(&mut self) {
        for (node, incarnation) in self.hub.disk.set_apart() {
            let exclude = self.rng.chance(self.options.exclude);
            let decision = if exclude {
                SettlementDecision::Exclude
            } else {
                SettlementDecision::Count
            };
            self.note(|| format!("an operator settles {node} {incarnation}: {decision:?}"));
            self.hub_works(Work::Settle(node, incarnation, decision));
        }
    }

    fn node_falls(&mut self, machine: usize, power: bool) {
        self.node_dies(machine, power);
        let at_ms = self.now_ms + self.rng.between(300, 10_000);
        self.schedule(at_ms, Event::NodeBoot(machine));
    }

    fn hub_falls(&mut self) -> Checked {
        let power = self.options.full.is_some() && self.rng.chance(500);
        self.hub_dies(power)?;
        let at_ms = self.now_ms + self.rng.between(300, 10_000);
        self.schedule(at_ms, Event::HubBoot);
        Ok(())
    }

    fn set_headquarters_back(&mut self) -> Checked {
        let Some(image) = self.watch.shelf.hub.clone() else {
            return Ok(());
        };
        self.hub_dies(true)?;
        self.hub.disk.set_back(&image);
        self.watch.headquarters_set_back();
        let at_ms = self.now_ms + self.rng.between(300, 10_000);
        self.schedule(at_ms, Event::HubBoot);
        Ok(())
    }

    fn image(&self, machine: usize) -> Image {
        let state = &self.machines[machine];
        Image {
            node: state.node.clone(),
            disk: state.disk.image(),
            mark: self.model.mark(state.branch),
        }
    }

    fn back_up(&mut self, machine: usize) {
        if self.machines[machine].disk.head().is_none() {
            return;
        }
        let image = self.image(machine);
        let images = &mut self.watch.shelf.images;
        images.push(image);
        if images.len() > IMAGES_MAX {
            let oldest = self.rng.below(IMAGES_MAX as u64) as usize;
            images.remove(oldest);
        }
    }

    /// A person restores a backup: in place of the node's machine, whose disk is gone or comes back later, and
    /// sometimes on a second machine, too.
    fn restore(&mut self) {
        let Some(image) = self.rng.pick(&self.watch.shelf.images).cloned() else {
            return;
        };
        let of_node: Vec<usize> = (0..self.machines.len())
            .filter(|at| self.machines[*at].node == image.node)
            .collect();
        let Some(machine) = self.rng.pick(&of_node).copied() else {
            return;
        };
        self.node_dies(machine, true);
        if self.rng.chance(250) {
            // The old disk was not lost after all, and somebody turns it on again.
            let old = self.image(machine);
            self.add_copy(old, None);
        }
        if self.rng.chance(300) {
            self.add_copy(image.clone(), Some(OpenedReason::Restored));
        }
        let keeps = self.planted == Some(Planted::ReusedIncarnation);
        let reason = (!keeps).then_some(OpenedReason::Restored);
        self.replace_disk(machine, image, reason);
    }

    fn set_back(&mut self, machine: usize) {
        let node = self.machines[machine].node.clone();
        let images: Vec<Image> = self
            .watch
            .shelf
            .images
            .iter()
            .filter(|image| image.node == node)
            .cloned()
            .collect();
        if let Some(image) = self.rng.pick(&images).cloned() {
            self.node_dies(machine, true);
            self.replace_disk(machine, image, None);
        }
    }

    fn copy(&mut self, machine: usize) {
        if self.machines[machine].disk.head().is_none() {
            return;
        }
        let image = self.image(machine);
        // Where the copy runs on a machine that can be told from the first, it is found at its start.
        let reason = self.rng.chance(300).then_some(OpenedReason::Moved);
        self.add_copy(image, reason);
    }

    fn add_copy(&mut self, image: Image, reason: Option<OpenedReason>) {
        if self.machines.len() >= MACHINES_MAX {
            return;
        }
        let branch = self.model.fork(image.mark);
        let boot_ms = self.now_ms + self.rng.between(100, 20_000);
        let mut disk = image.disk;
        disk.set_full(false);
        let machine = self.add_machine(image.node, disk, branch, reason, boot_ms);
        let random = self.rng.next() as u32;
        self.add_till(machine, || format!("COPY-{machine}-{random:08X}"));
        let name = self.machines[machine].name.clone();
        self.note(|| format!("{name} is a copy"));
    }

    fn replace_disk(&mut self, machine: usize, image: Image, reason: Option<OpenedReason>) {
        let branch = self.model.fork(image.mark);
        let mut disk = image.disk;
        disk.set_full(false);
        self.machines[machine].put_disk(disk, branch, reason);
        let at_ms = self.now_ms + self.rng.between(300, 10_000);
        self.schedule(at_ms, Event::NodeBoot(machine));
        for till in 0..self.tills.len() {
            if self.tills[till].machine == machine {
                self.till_goes_to(till, machine);
            }
        }
    }

    fn till_moves(&mut self) {
        let Some(till) = self.rng.index(self.tills.len()) else {
            return;
        };
        let node = self.machines[self.tills[till].machine].node.clone();
        let others: Vec<usize> = (0..self.machines.len())
            .filter(|at| self.machines[*at].node == node)
            .collect();
        if let Some(machine) = self.rng.pick(&others).copied() {
            self.till_goes_to(till, machine);
        }
    }

    /// Everything is mended: links, disks, clocks, processes.
    pub fn heal(&mut self) {
        self.trouble = false;
        self.options = self.options.without_trouble();
        self.network.broker_up = true;
        self.hub.disk.set_full(false);
        self.network.clients[HUB].cut_until_ms = self.now_ms;
        for machine in 0..self.machines.len() {
            self.machines[machine].disk.set_full(false);
            self.machines[machine].clock_off_ms = 0;
            self.network.clients[machine + 1].cut_until_ms = self.now_ms;
            self.schedule(self.now_ms + 1, Event::NodeBoot(machine));
        }
        self.schedule(self.now_ms + 1, Event::HubBoot);
        self.note(|| "*** the trouble is over".to_owned());
    }
}
