//! One engine alone: what it says and wants, by the rule that it follows. Many engines together are the simulator's.

mod keeping;

use super::*;
use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::ids::Incarnation;

mod turns;

fn replica(name: &str) -> ReplicaId {
    ReplicaId {
        node: name.parse().unwrap(),
        incarnation: Incarnation { counter: 1, random: 7 },
    }
}

fn shelf(item: u32) -> ShelfKey {
    ShelfKey {
        site: "site".parse().unwrap(),
        sku: format!("item-{item}").parse().unwrap(),
    }
}

fn units(n: u64) -> Amount {
    Amount::new(n * 1_000).unwrap()
}

fn rights(n: u64) -> Figures {
    Figures {
        rights: units(n),
        ..Figures::default()
    }
}

/// An engine with a parent and so many children, all connected; every shelf has so many rights.
struct Bench {
    engine: RightsEngine,
    rights: u64,
    /// What is known of children's rights.
    known: Vec<(ReplicaId, Amount)>,
}

impl Bench {
    fn new(config: RightsConfig, children: usize, rights: u64) -> Self {
        let mut engine = RightsEngine::new(config, 100);
        let (peer, place) = (replica("parent"), Place::Parent);
        engine.handle(0, Input::Connected { peer, place });
        for n in 0..children {
            let (peer, place) = (replica(&format!("child-{n}")), Place::Child);
            engine.handle(0, Input::Connected { peer, place });
        }
        let known = Vec::new();
        Self { engine, rights, known }
    }

    /// What is wanted after an input; rows are looked up on the way.
    fn after(&mut self, now_ms: u64, input: Input) -> Vec<Output> {
        self.engine.handle(now_ms, input);
        let mut outputs = Vec::new();
        while let Some(output) = self.engine.poll() {
            if let Output::LookUp { shelf } = output {
                let (figures, rights) = (rights(self.rights), self.known.clone());
                self.engine.handle(now_ms, Input::Known { shelf, figures, rights });
            } else {
                outputs.push(output);
            }
        }
        outputs
    }

    fn want(&mut self, now_ms: u64, need: u64, n: u64) -> Vec<Output> {
        let lines = vec![(shelf(1), units(n))];
        self.after(now_ms, Input::Wanted { need, lines })
    }

    fn ask(&mut self, now_ms: u64, from: &str, request: Request) -> Vec<Output> {
        let (from, message) = (replica(from), RightsMessage::Request(request));
        self.after(now_ms, Input::Received { from, message })
    }

    fn nothing(&mut self, now_ms: u64, from: &str, id: u64) -> Vec<Output> {
        let message = RightsMessage::Nothing(Answer { shelf: shelf(1), id });
        self.after(
            now_ms,
            Input::Received {
                from: replica(from),
                message,
            },
        )
    }
}

fn request(id: u64, purpose: Purpose, n: u64) -> Request {
    let (needed, extra) = if purpose == Purpose::Stock { (0, n) } else { (n, 0) };
    Request {
        shelf: shelf(1),
        id,
        purpose,
        needed: units(needed),
        least: units(needed),
        extra: units(extra),
        wait_ms: 1_800,
    }
}

/// Requests that were sent: to whom, under which number, for how much.
fn requests(outputs: &[Output]) -> Vec<(String, u64, Amount)> {
    let request = |output: &Output| match output {
        Output::Send {
            to,
            message: RightsMessage::Request(request),
        } => Some((to.node.to_string(), request.id, request.needed)),
        _ => None,
    };
    outputs.iter().filter_map(request).collect()
}

fn resolved(need: u64, resolution: Resolution) -> Output {
    Output::Resolved { need, resolution }
}

#[test]
fn a_need_that_is_covered_is_ready_at_once_and_its_rights_are_kept() {
    let mut bench = Bench::new(RightsConfig::store(), 0, 5);
    assert_eq!(bench.want(0, 1, 3), [resolved(1, Resolution::Ready)]);
    // Two are left: the next one has to ask for one.
    assert_eq!(requests(&bench.want(1, 2, 3)), [("parent".to_owned(), 100, units(1))]);
}

#[test]
fn a_need_asks_the_parent_repeats_under_the_same_number_and_is_ready_when_the_grant_has_come() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 0);
    assert_eq!(requests(&bench.want(0, 1, 3)), [("parent".to_owned(), 100, units(3))]);
    assert_eq!(requests(&bench.after(399, Input::Timeout)), []);
    assert_eq!(
        requests(&bench.after(400, Input::Timeout)),
        [("parent".to_owned(), 100, units(3))]
    );
    let accepted = Input::Accepted {
        from: replica("parent"),
        shelf: shelf(1),
        request: Some(100),
        figures: rights(3),
    };
    assert_eq!(bench.after(450, accepted), [resolved(1, Resolution::Ready)]);
}

#[test]
fn a_neighbour_that_gave_all_it_was_asked_for_is_asked_again_also_where_the_row_was_told_before_the_grant() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 0);
    bench.want(0, 1, 3);
    // Less than what was asked for helps now.
    assert_eq!(requests(&bench.want(10, 2, 2)), [("parent".to_owned(), 100, units(3))]);
    let (shelf, figures) = (shelf(1), rights(3));
    let row = Input::Row {
        shelf: shelf.clone(),
        figures,
    };
    assert_eq!(bench.after(50, row), [resolved(1, Resolution::Ready)]);
    let accepted = Input::Accepted {
        from: replica("parent"),
        shelf,
        request: Some(100),
        figures,
    };
    let outputs = bench.after(50, accepted);
    assert!(!outputs.contains(&resolved(2, Resolution::Refused)), "{outputs:?}");
    assert_eq!(requests(&outputs), [("parent".to_owned(), 101, units(2))]);
}

#[test]
fn whoever_is_alone_is_refused_at_once_and_whoever_waits_after_two_seconds() {
    let mut alone = Bench::new(RightsConfig::kiosk(), 0, 2);
    let peer = replica("parent");
    alone.after(0, Input::Disconnected { peer });
    assert_eq!(alone.want(0, 1, 3), [resolved(1, Resolution::Refused)]);
    let mut silent = Bench::new(RightsConfig::kiosk(), 0, 2);
    silent.want(0, 1, 3);
    assert!(
        !silent
            .after(1_999, Input::Timeout)
            .contains(&resolved(1, Resolution::Refused))
    );
    assert!(
        silent
            .after(2_000, Input::Timeout)
            .contains(&resolved(1, Resolution::Refused))
    );
}

#[test]
fn before_anybody_is_refused_the_parent_those_known_to_have_and_all_others_are_asked() {
    let mut bench = Bench::new(RightsConfig::store(), 3, 0);
    bench.known = vec![(replica("child-1"), units(4))];
    assert_eq!(requests(&bench.want(0, 1, 3)), [("parent".to_owned(), 100, units(3))]);
    assert_eq!(
        requests(&bench.nothing(10, "parent", 100)),
        [("child-1".to_owned(), 101, units(3))]
    );
    let others = [
        ("child-0".to_owned(), 102, units(3)),
        ("child-2".to_owned(), 103, units(3)),
    ];
    assert_eq!(requests(&bench.nothing(20, "child-1", 101)), others);
    assert_eq!(bench.nothing(30, "child-0", 102), []);
    assert_eq!(bench.nothing(40, "child-2", 103), [resolved(1, Resolution::Refused)]);
}

#[test]
fn all_lines_or_none() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 5);
    let lines = vec![(shelf(1), units(2)), (shelf(2), units(6))];
    let asked = bench.after(0, Input::Wanted { need: 1, lines });
    assert_eq!(requests(&asked), [("parent".to_owned(), 100, units(1))]);
    let message = RightsMessage::Nothing(Answer {
        shelf: shelf(2),
        id: 100,
    });
    let from = replica("parent");
    assert_eq!(
        bench.after(9, Input::Received { from, message }),
        [resolved(1, Resolution::Refused)]
    );
}

#[test]
fn a_request_is_answered_once_and_only_by_what_the_caller_committed() {
    let mut bench = Bench::new(RightsConfig::store(), 1, 5);
    let give = Output::Give {
        to: replica("child-0"),
        shelf: shelf(1),
        amount: units(2),
        request: Some(7),
    };
    assert_eq!(bench.ask(0, "child-0", request(7, Purpose::Customer, 2)), [give]);
    assert_eq!(bench.ask(1, "child-0", request(7, Purpose::Customer, 2)), []);
    let granted = Input::Granted {
        to: replica("child-0"),
        shelf: shelf(1),
        request: Some(7),
        total: units(2),
        figures: rights(3),
    };
    let send = |after| Output::SendGrants {
        to: replica("child-0"),
        shelf: shelf(1),
        after,
    };
    assert_eq!(bench.after(2, granted), [send(Amount::ZERO)]);
    // It is repeated until the child's journal shows it, and at once where the child has not got it and asks again.
    assert_eq!(bench.after(1_002, Input::Timeout), [send(Amount::ZERO)]);
    assert_eq!(bench.after(1_402, Input::Timeout), []);
    let again = bench.ask(1_403, "child-0", request(7, Purpose::Customer, 2));
    assert_eq!(again, [send(Amount::ZERO)]);
    let (by, total) = (replica("child-0"), units(2));
    bench.after(
        1_404,
        Input::TakenOver {
            by,
            shelf: shelf(1),
            total,
        },
    );
    assert_eq!(bench.after(60_000, Input::Timeout), []);
}

#[test]
fn debt_asks_for_rights_by_itself() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 0);
    let owed = units(2);
    let figures = Figures {
        owed,
        ..Figures::default()
    };
    let shelf = shelf(1);
    assert_eq!(
        requests(&bench.after(0, Input::Row { shelf, figures })),
        [("parent".to_owned(), 100, units(2))]
    );
}

#[test]
fn messages_and_memory_are_bounded() {
    let config = RightsConfig {
        messages_per_second_max: 3,
        shelves_max: 5,
        ..RightsConfig::kiosk()
    };
    let mut bench = Bench::new(config, 0, 0);
    let mut sent = 0;
    for n in 0..50 {
        let (need, lines) = (u64::from(n), vec![(shelf(n), units(1))]);
        sent += requests(&bench.after(0, Input::Wanted { need, lines })).len();
    }
    assert_eq!((sent, bench.engine.shelves()), (3, 5));
    // What could not be said is said as soon as there is room.
    assert_eq!(requests(&bench.after(334, Input::Timeout)).len(), 1);
}

#[test]
fn messages_read_back() {
    for message in [
        RightsMessage::Request(request(7, Purpose::Customer, 2)),
        RightsMessage::Nothing(Answer { shelf: shelf(1), id: 8 }),
    ] {
        let bytes = postcard::to_allocvec(&message).unwrap();
        assert_eq!(postcard::from_bytes::<RightsMessage>(&bytes).unwrap(), message);
    }
}

/// How often an engine is woken until `until_ms`, where nothing but time passes and rows say what they said.
fn wakes(bench: &mut Bench, until_ms: u64) -> u64 {
    let mut wakes = 0;
    while let Some(due_ms) = bench.engine.deadline().filter(|due_ms| *due_ms <= until_ms) {
        bench.after(due_ms, Input::Timeout);
        wakes += 1;
        assert!(wakes < 1_000, "woken {wakes} times by {due_ms} ms");
    }
    wakes
}

#[test]
fn what_cannot_be_done_now_does_not_wake_the_engine_a_thousand_times_a_second() {
    let hour_ms = 3_600_000;
    // Less than a grain lies idle: it never goes home.
    let mut crumbs = Bench::new(RightsConfig::kiosk(), 0, 0);
    let figures = Figures {
        rights: Amount::new(400).unwrap(),
        ..Figures::default()
    };
    crumbs.after(
        0,
        Input::Row {
            shelf: shelf(1),
            figures,
        },
    );
    assert!(wakes(&mut crumbs, hour_ms) < 100);

    // Customers are expected, and no child has anything.
    let mut poor = Bench::new(RightsConfig::headquarters(), 1, 0);
    let peer = replica("parent");
    poor.engine.handle(0, Input::Disconnected { peer });
    let amount = units(50);
    poor.after(
        0,
        Input::Demand {
            shelf: shelf(1),
            amount,
        },
    );
    assert!(wakes(&mut poor, hour_ms) < 100);

    // A request for stock is not answered.
    let mut unheard = Bench::new(RightsConfig::kiosk(), 0, 0);
    unheard.after(
        0,
        Input::Demand {
            shelf: shelf(1),
            amount,
        },
    );
    assert!(wakes(&mut unheard, 2_000) < 10);
}

#[test]
fn whoever_is_silent_is_not_counted_on() {
    let mut bench = Bench::new(RightsConfig::store(), 2, 0);
    bench.known = vec![(replica("child-0"), units(10)), (replica("child-1"), units(8))];
    bench.want(0, 1, 5);
    assert_eq!(
        requests(&bench.nothing(10, "parent", 100)),
        [("child-0".to_owned(), 101, units(5))]
    );
    // It may have died, and nobody knows yet that its link is cut.
    assert_eq!(
        requests(&bench.after(410, Input::Timeout)),
        [
            ("child-0".to_owned(), 101, units(5)),
            ("child-1".to_owned(), 102, units(5))
        ]
    );
}

#[test]
fn whoever_had_too_little_for_the_whole_is_asked_again_for_the_rest() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 0);
    assert_eq!(requests(&bench.want(0, 1, 5)), [("parent".to_owned(), 100, units(5))]);
    let figures = rights(3);
    bench.after(
        10,
        Input::Row {
            shelf: shelf(1),
            figures,
        },
    );
    assert_eq!(
        requests(&bench.nothing(20, "parent", 100)),
        [("parent".to_owned(), 101, units(2))]
    );
    // Its word about that is the last one.
    let refused = bench.nothing(30, "parent", 101);
    assert_eq!(refused, [resolved(1, Resolution::Refused)]);
}
