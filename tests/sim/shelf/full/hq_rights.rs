//! Around headquarters' engines of rights, one a site, and its carriage of documents.

use finalmarket::domain::escrow::{Amount, ReplicaId};
use finalmarket::domain::ids::SiteId;
use finalmarket::hq::{GiveError, Happening, RightsError, RightsMoved};
use finalmarket::sync::carriage;
use finalmarket::sync::rights::{Input, Output, Place, Resolution, RightsEngine, ShelfKey};
use finalmarket::sync::wire::Down;

use super::hq::Inner;
use super::world::{Event, Seat, World};

impl World {
    /// A store is known and there.
    pub fn hq_reaches(&mut self, session: u64, site: SiteId, replica: ReplicaId) {
        let Some(process) = self.hq.process.as_mut() else {
            return;
        };
        process.peers.retain(|_, (_, peer)| *peer != replica);
        process.peers.insert(session, (site.clone(), replica.clone()));
        let here = Down::Here {
            session,
            replica: process.own.clone(),
        };
        let steps = process.hq.grants_outstanding(&replica);
        if let Some(store) = self.node_called(&replica.node) {
            self.nodes[store].link.failed_ms = self.now_ms;
        }
        self.hq_says(&replica.node, here);
        let connected = Input::Connected {
            peer: replica.clone(),
            place: Place::Child,
        };
        self.tell_hq(Inner::Rights(site, connected));
        match steps {
            Ok(steps) => {
                for (site, sku, total, request, row) in steps {
                    let granted = Input::Granted {
                        to: replica.clone(),
                        shelf: ShelfKey {
                            site: site.clone(),
                            sku,
                        },
                        request,
                        total,
                        figures: (&row).into(),
                    };
                    self.tell_hq(Inner::Rights(site, granted));
                }
            }
            Err(error) => self.broken(&format!("grants of headquarters cannot be read: {error}")),
        }
    }

    pub fn hq_rights_take(&mut self, site: &SiteId, input: Input) {
        let now_ms = self.now_ms;
        let (config, first_request) = (self.options.headquarters.clone(), self.rng.next());
        let Some(process) = self.hq.process.as_mut() else {
            return;
        };
        let engine = process.engines.entry(site.clone());
        engine
            .or_insert_with(|| RightsEngine::new(config, first_request))
            .handle(now_ms, input);
        while let Some(output) = self
            .hq
            .process
            .as_mut()
            .and_then(|process| process.engines.get_mut(site)?.poll())
        {
            self.do_hq_rights(site, output);
        }
    }

    fn session_of(&self, replica: &ReplicaId) -> Option<u64> {
        let peers = &self.hq.process.as_ref()?.peers;
        peers
            .iter()
            .find(|(_, (_, peer))| peer == replica)
            .map(|(session, _)| *session)
    }

    fn do_hq_rights(&mut self, site: &SiteId, output: Output) {
        match output {
            Output::Send { to, message } => {
                if let Some(session) = self.session_of(&to) {
                    self.hq_says(&to.node, Down::Rights { session, message });
                }
            }
            Output::Give {
                to,
                shelf,
                amount,
                request,
            } => self.hq_gives(to, shelf, amount, request),
            Output::SendGrants { to, shelf, after } => self.hq_sends_grants(to, shelf, after),
            Output::LookUp { shelf } => {
                let Some(Ok(row)) = self.hq_reads(|hq| hq.own_row(&shelf.site, &shelf.sku)) else {
                    return;
                };
                let known = Input::Known {
                    shelf,
                    figures: (&row).into(),
                    rights: Vec::new(),
                };
                self.tell_hq(Inner::Rights(site.clone(), known));
            }
            Output::Resolved { need, resolution } => self.hq_resolved(site, need, resolution),
        }
    }

    fn hq_reads<T>(&self, ask: impl FnOnce(&finalmarket::hq::Headquarters) -> T) -> Option<T> {
        self.hq.process.as_ref().map(|process| ask(&process.hq))
    }

    fn hq_gives(&mut self, to: ReplicaId, shelf: ShelfKey, amount: Amount, request: Option<u64>) {
        let now_ms = self.wall_ms();
        let (receiver, of) = (to.clone(), (shelf.site.clone(), shelf.sku.clone()));
        let site = shelf.site.clone();
        let given = self.hq_does(|hq| hq.give(receiver, of, amount, request, now_ms));
        let answer = match given {
            None => return,
            Some(Ok(given)) => Input::Granted {
                to,
                shelf,
                request,
                total: given.total,
                figures: (&given.row).into(),
            },
            Some(Err(GiveError::Rights(RightsError::Storage(error)))) => {
                return self.broken(&format!("headquarters cannot hand rights on: {error}"));
            }
            Some(Err(_)) => {
                let Some(Ok(row)) = self.hq_reads(|hq| hq.own_row(&shelf.site, &shelf.sku)) else {
                    return;
                };
                Input::NotGiven {
                    to,
                    shelf,
                    request,
                    figures: (&row).into(),
                }
            }
        };
        self.tell_hq(Inner::Rights(site, answer));
    }

    fn hq_sends_grants(&mut self, to: ReplicaId, shelf: ShelfKey, after: Amount) {
        let Some(session) = self.session_of(&to) else { return };
        let read = self.hq_reads(|hq| {
            let granted = hq.grants_behind(&to, &shelf.site, &shelf.sku, after)?;
            let total = hq.own_row(&shelf.site, &shelf.sku)?.given(&to);
            Ok::<_, finalmarket::hq::StorageError>((granted, total, hq.replica()?))
        });
        match read {
            None => {}
            Some(Ok((granted, total, _))) if granted.is_empty() => {
                let site = shelf.site.clone();
                self.tell_hq(Inner::Rights(site, Input::TakenOver { by: to, shelf, total }));
            }
            Some(Ok((granted, _, from))) => self.hq_says(&to.node, Down::Granted { session, from, granted }),
            Some(Err(error)) => self.broken(&format!("grants of headquarters cannot be read: {error}")),
        }
    }

    fn hq_resolved(&mut self, site: &SiteId, need: u64, resolution: Resolution) {
        let Some(process) = self.hq.process.as_mut() else {
            return;
        };
        let Some(place) = process.waiting.iter().position(|waiting| waiting.need == need) else {
            return;
        };
        let waiting = process.waiting.remove(place);
        self.moved.insert(self.nodes.len());
        // A refusal is tried once more, as the product does: some may have come by another way.
        let opened = self.hq_opens_hold(&waiting.key, &waiting.lines, waiting.lifetime_ms);
        if resolution == Resolution::Ready {
            self.tell_hq(Inner::Rights(site.clone(), Input::Closed { need }));
        }
        if opened == Some(false) {
            self.is_refused(Seat::Headquarters, &waiting);
        }
    }

    /// Rights that changed hands while figures were made.
    pub fn hear_happenings(&mut self) {
        while let Some(Ok(happening)) = self.hq.process.as_mut().map(|process| process.happenings.try_recv()) {
            let Happening::Rights(moved) = happening else { continue };
            match moved {
                RightsMoved::Accepted {
                    from,
                    site,
                    request,
                    skus,
                } => {
                    for sku in skus {
                        let Some(Ok(row)) = self.hq_reads(|hq| hq.own_row(&site, &sku)) else {
                            continue;
                        };
                        let accepted = Input::Accepted {
                            from: from.clone(),
                            shelf: ShelfKey {
                                site: site.clone(),
                                sku,
                            },
                            request,
                            figures: (&row).into(),
                        };
                        self.tell_hq(Inner::Rights(site.clone(), accepted));
                    }
                }
                RightsMoved::TakenOver { by, site, lines } => {
                    for line in lines {
                        let taken = Input::TakenOver {
                            by: by.clone(),
                            shelf: ShelfKey {
                                site: site.clone(),
                                sku: line.sku,
                            },
                            total: line.grant.after,
                        };
                        self.tell_hq(Inner::Rights(site.clone(), taken));
                    }
                }
                RightsMoved::Retired { replica } => {
                    let peers = self.hq.process.as_ref().map(|process| &process.peers);
                    let peer = peers.and_then(|peers| peers.iter().find(|(_, (_, peer))| *peer == replica));
                    if let Some((session, (site, peer))) = peer.map(|(session, known)| (*session, known.clone())) {
                        if let Some(process) = self.hq.process.as_mut() {
                            process.peers.remove(&session);
                        }
                        self.tell_hq(Inner::Rights(site, Input::Disconnected { peer }));
                    }
                }
                // Own rows are read after each commit, and nobody orders for pickup here.
                RightsMoved::Posted { .. } | RightsMoved::HandedOver { .. } => {}
            }
        }
    }

    /// Headquarters looks for holds that have run out, every second.
    pub fn hq_looks_for_holds(&mut self, starts: u64) {
        if self.hq.process.is_none() || self.hq.starts != starts {
            return;
        }
        self.at(self.now_ms + 1_000, Event::HqHolds { starts });
        let own = self.hq.life.map_or(0, |life| self.model.promises_of(life).count());
        let now_ms = self.wall_ms();
        if own == 0 {
            return;
        }
        if let Some(Err(error)) = self.hq_does(|hq| hq.expire_holds(now_ms)) {
            self.broken(&format!("headquarters cannot end holds: {error}"));
        }
    }

    pub fn do_hq_carriage(&mut self) {
        while let Some(output) = self.hq.process.as_mut().and_then(|process| process.carrier.poll()) {
            match output {
                carriage::Output::Work(work) => match self.hq_does(|hq| hq.carry(work)) {
                    None => {}
                    Some(Ok(done)) => self.tell_hq(Inner::Carriage(carriage::Input::Done(done))),
                    Some(Err(error)) => self.broken(&format!("headquarters cannot carry documents: {error}")),
                },
                carriage::Output::Send { to, session, message } => {
                    if let carriage::Neighbour::Child(node) = to {
                        self.hq_says(&node, Down::Shelves { session, message });
                    }
                }
                carriage::Output::Report { neighbour, id, reason } => {
                    self.say(|_| format!("hq: {neighbour:?}, {id:?}: {reason}"));
                }
                carriage::Output::Refused { sku, reason } => {
                    self.broken(&format!("no document takes the row of {sku}: {reason}"));
                }
            }
        }
    }
}
