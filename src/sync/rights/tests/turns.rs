//! Who comes first where several wait, and what goes over a link first.

use super::*;

#[test]
fn whoever_has_waited_for_half_of_their_time_goes_before_all_that_came_later() {
    let mut bench = Bench::new(RightsConfig::store(), 4, 0);
    bench.ask(0, "child-0", request(7, Purpose::Customer, 10));
    bench.ask(100, "child-1", request(8, Purpose::Customer, 3));
    let row = |n| Input::Row {
        shelf: shelf(1),
        figures: rights(n),
    };
    let gives = |outputs: &[Output]| -> Vec<(String, Amount)> {
        let give = |output: &Output| match output {
            Output::Give { to, amount, .. } => Some((to.node.to_string(), *amount)),
            _ => None,
        };
        outputs.iter().filter_map(give).collect()
    };
    // While there is time for more to come, what is there serves those whom it suffices for.
    assert_eq!(gives(&bench.after(200, row(3))), [("child-1".to_owned(), units(3))]);
    let (to, shelf) = (replica("child-1"), shelf(1));
    bench.after(
        201,
        Input::Granted {
            to,
            shelf,
            request: Some(8),
            total: units(3),
            figures: rights(0),
        },
    );
    bench.ask(800, "child-1", request(9, Purpose::Customer, 4));
    assert_eq!(gives(&bench.after(1_000, row(6))), []);
    // Debt is settled before anything is promised.
    let debt = bench.ask(1_001, "child-2", request(5, Purpose::Debt, 1));
    assert_eq!(gives(&debt), [("child-2".to_owned(), units(1))]);
    assert_eq!(gives(&bench.after(1_100, row(11))), [("child-0".to_owned(), units(10))]);
}

#[test]
fn a_request_for_several_customers_ends_with_the_first_of_them_and_is_made_again_for_the_others() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 0);
    let waits = |outputs: &[Output]| -> Vec<(u64, Amount, u32)> {
        let wait = |output: &Output| match output {
            Output::Send {
                message: RightsMessage::Request(request),
                ..
            } => Some((request.id, request.needed, request.wait_ms)),
            _ => None,
        };
        outputs.iter().filter_map(wait).collect()
    };
    assert_eq!(waits(&bench.want(0, 1, 3)), [(100, units(3), 1_800)]);
    bench.want(600, 2, 4);
    bench.want(1_000, 3, 5);
    // What the parent cannot do for the first in time it may still do for the second, and then for the third.
    assert_eq!(waits(&bench.nothing(1_810, "parent", 100)), [(101, units(12), 590)]);
    let refused = bench.after(2_000, Input::Timeout);
    assert!(refused.contains(&resolved(1, Resolution::Refused)), "{refused:?}");
    let again = bench.nothing(2_410, "parent", 101);
    assert_eq!(waits(&again), [(102, units(9), 390)]);
    let refused = bench.after(2_600, Input::Timeout);
    assert!(refused.contains(&resolved(2, Resolution::Refused)), "{refused:?}");
    assert!(!refused.contains(&resolved(3, Resolution::Refused)), "{refused:?}");
}

#[test]
fn a_neighbour_is_told_at_once_that_less_helps() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 0);
    assert_eq!(requests(&bench.want(0, 1, 5)), [("parent".to_owned(), 100, units(5))]);
    let figures = rights(3);
    let shelf = shelf(1);
    let less = bench.after(10, Input::Row { shelf, figures });
    assert_eq!(requests(&less), [("parent".to_owned(), 100, units(2))]);
    assert_eq!(requests(&bench.after(11, Input::Timeout)), []);
    // Its answer may have crossed that.
    let again = bench.nothing(12, "parent", 100);
    assert_eq!(requests(&again), [("parent".to_owned(), 101, units(2))]);
    let refused = bench.nothing(30, "parent", 101);
    assert_eq!(refused, [resolved(1, Resolution::Refused)]);
}

#[test]
fn whoever_asks_much_still_sends_what_it_gave() {
    let config = RightsConfig {
        messages_per_second_max: 8,
        ..RightsConfig::store()
    };
    let mut bench = Bench::new(config, 20, 0);
    bench.ask(0, "child-0", request(7, Purpose::Customer, 5));
    let asked = bench.nothing(1, "parent", 100);
    assert_eq!(requests(&asked).len(), 5, "six of eight were requests: {asked:?}");
    let (to, shelf) = (replica("child-1"), shelf(2));
    let granted = Input::Granted {
        to,
        shelf,
        request: None,
        total: units(1),
        figures: rights(0),
    };
    let sent = bench.after(2, granted);
    assert!(matches!(&sent[..], [Output::SendGrants { .. }]), "{sent:?}");
}

#[test]
fn where_half_of_the_time_is_over_all_are_asked_at_once() {
    let mut bench = Bench::new(RightsConfig::store(), 4, 0);
    bench.known = (0..3).map(|n| (replica(&format!("child-{n}")), units(9))).collect();
    bench.want(0, 1, 5);
    assert_eq!(
        requests(&bench.nothing(10, "parent", 100)).len(),
        1,
        "the first has enough"
    );
    let repeated = bench.after(410, Input::Timeout);
    assert_eq!(
        requests(&repeated).len(),
        2,
        "the first is silent: a second is asked beside it"
    );
    let all = bench.after(1_000, Input::Timeout);
    let asked: Vec<String> = requests(&all).into_iter().map(|(to, _, _)| to).collect();
    for child in ["child-2", "child-3"] {
        assert!(asked.contains(&child.to_owned()), "{asked:?}");
    }
}

#[test]
fn who_gave_nothing_of_what_it_has_is_asked_last_and_counted_on_no_more() {
    let mut bench = Bench::new(RightsConfig::store(), 3, 0);
    bench.known = [(0, 9), (1, 5), (2, 2)]
        .map(|(child, n)| (replica(&format!("child-{child}")), units(n)))
        .into();
    let asked = |outputs: &[Output]| -> Vec<(String, Amount)> {
        let requests = requests(outputs).into_iter();
        requests.map(|(to, _, needed)| (to, needed)).collect()
    };
    let number = |outputs: &[Output]| requests(outputs)[0].1;
    let first = bench.want(0, 1, 4);
    let first = bench.nothing(10, "parent", number(&first));
    assert_eq!(asked(&first), [("child-0".to_owned(), units(4))]);
    let next = bench.nothing(20, "child-0", number(&first));
    assert_eq!(asked(&next), [("child-1".to_owned(), units(4))]);
    // Its rows still say that it has nine: its own customers wait for them.
    let second = bench.want(100, 2, 3);
    let second = bench.nothing(110, "parent", number(&second));
    let wanted = [("child-2".to_owned(), units(2)), ("child-0".to_owned(), units(1))];
    assert_eq!(asked(&second), wanted);
}

#[test]
fn what_lies_idle_after_a_parent_asked_in_vain_goes_up_without_being_asked_again() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 41);
    let gives = |outputs: &[Output]| -> Vec<(String, Amount)> {
        let give = |output: &Output| match output {
            Output::Give { to, amount, .. } => Some((to.node.to_string(), *amount)),
            _ => None,
        };
        outputs.iter().filter_map(give).collect()
    };
    bench.want(0, 1, 76);
    // The own customer waits for all of it.
    let few = Request {
        least: units(1),
        wait_ms: 20,
        ..request(7, Purpose::Customer, 1_000)
    };
    assert_eq!(gives(&bench.ask(1_900, "parent", few)), []);
    assert_eq!(gives(&bench.after(1_920, Input::Timeout)), []);
    // The own customer goes without: the parent's need not.
    let refused = bench.after(2_000, Input::Timeout);
    assert!(refused.contains(&resolved(1, Resolution::Refused)), "{refused:?}");
    assert_eq!(gives(&refused), [("parent".to_owned(), units(41))]);
}

#[test]
fn whoever_comes_after_own_customers_gets_what_those_go_without() {
    let mut bench = Bench::new(RightsConfig::store(), 2, 3);
    bench.known = vec![(replica("child-0"), units(2))];
    bench.want(0, 1, 5);
    let asked = bench.nothing(1, "parent", 100);
    assert_eq!(requests(&asked), [("child-0".to_owned(), 101, units(2))]);
    // What is here waits for the own customer, who came first.
    let asked = bench.ask(2, "child-0", request(7, Purpose::Customer, 3));
    assert_eq!(requests(&asked), [("parent".to_owned(), 102, units(3))]);
    let asked = bench.nothing(3, "child-0", 101);
    assert_eq!(requests(&asked), [("child-1".to_owned(), 103, units(2))]);
    assert_eq!(bench.nothing(4, "parent", 102), []);
    // With the last answer nobody is left to be asked, for either of them.
    let given = Output::Give {
        to: replica("child-0"),
        shelf: shelf(1),
        amount: units(3),
        request: Some(7),
    };
    assert_eq!(
        bench.nothing(5, "child-1", 103),
        [resolved(1, Resolution::Refused), given]
    );
}
