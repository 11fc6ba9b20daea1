//! What is kept, shared and sent home.

use super::*;

#[test]
fn what_is_kept_of_an_item_is_asked_for_by_itself_and_never_goes_home() {
    let mut config = RightsConfig::kiosk();
    let mut terms = config.shelf;
    terms.floor = units(2);
    config.items.insert(shelf(1).sku, terms);
    let row = |item, n| Input::Row {
        shelf: shelf(item),
        figures: rights(n),
    };
    let mut bench = Bench::new(config, 0, 0);
    assert_eq!(bench.after(0, row(2, 0)), [], "of others nothing is kept");
    let asked = bench.after(0, row(1, 0));
    let wanted = |output: &Output| {
        matches!(output, Output::Send { message: RightsMessage::Request(request), .. }
            if request.purpose == Purpose::Stock && request.extra == units(2))
    };
    assert!(matches!(&asked[..], [one] if wanted(one)), "{asked:?}");
    let accepted = Input::Accepted {
        from: replica("parent"),
        shelf: shelf(1),
        request: Some(100),
        figures: rights(2),
    };
    assert_eq!(bench.after(50, accepted), []);
    assert_eq!(bench.after(3_600_000, Input::Timeout), []);
    // One is left: half of it is there. None is left: it is asked for again.
    assert_eq!(bench.after(3_600_001, row(1, 1)), []);
    assert!(bench.after(3_600_002, row(1, 0)).iter().any(wanted));
}

#[test]
fn whoever_shares_nothing_gives_to_customers_and_not_for_stock() {
    let mut config = RightsConfig::store();
    config.shelf.share_per_mille = 0;
    let mut bench = Bench::new(config, 2, 20);
    let nothing = bench.ask(0, "child-0", request(7, Purpose::Stock, 10));
    assert!(
        !nothing.iter().any(|output| matches!(output, Output::Give { .. })),
        "{nothing:?}"
    );
    let given = bench.ask(1, "child-0", request(8, Purpose::Customer, 2));
    assert!(
        matches!(&given[..], [Output::Give { amount, .. }] if *amount == units(2)),
        "{given:?}"
    );
}

#[test]
fn stock_is_a_share_of_what_is_here_and_nothing_while_customers_wait() {
    let mut bench = Bench::new(RightsConfig::store(), 2, 20);
    let given = bench.ask(0, "child-0", request(7, Purpose::Stock, 15));
    assert!(
        matches!(&given[..], [Output::Give { amount, .. }] if *amount == units(10)),
        "{given:?}"
    );
    let mut pressed = Bench::new(RightsConfig::store(), 2, 20);
    pressed.ask(0, "child-0", request(7, Purpose::Customer, 30));
    let nothing = pressed.ask(1, "child-1", request(8, Purpose::Stock, 10));
    assert!(
        !nothing.iter().any(|output| matches!(output, Output::Give { .. })),
        "{nothing:?}"
    );
}

#[test]
fn the_floor_is_kept_from_others_customers_but_not_from_debt() {
    let mut config = RightsConfig::kiosk();
    config.shelf.floor = units(2);
    let mut bench = Bench::new(config, 0, 3);
    let nothing = bench.ask(0, "parent", request(7, Purpose::Customer, 3));
    assert!(
        matches!(
            &nothing[..],
            [Output::Send {
                message: RightsMessage::Nothing(_),
                ..
            }]
        ),
        "{nothing:?}"
    );
    let all = bench.ask(1, "parent", request(8, Purpose::Debt, 3));
    assert!(
        matches!(&all[..], [Output::Give { amount, .. }, ..] if *amount == units(3)),
        "{all:?}"
    );
}

#[test]
fn idle_rights_go_home_after_their_time_and_the_shelf_is_forgotten() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 4);
    let figures = rights(4);
    assert_eq!(
        bench.after(
            0,
            Input::Row {
                shelf: shelf(1),
                figures
            }
        ),
        []
    );
    assert_eq!(bench.after(29_999, Input::Timeout), []);
    let home = bench.after(30_000, Input::Timeout);
    assert!(
        matches!(&home[..], [Output::Give { amount, request: None, .. }] if *amount == units(4)),
        "{home:?}"
    );
    let granted = Input::Granted {
        to: replica("parent"),
        shelf: shelf(1),
        request: None,
        total: units(4),
        figures: rights(0),
    };
    assert_eq!(bench.after(30_001, granted), []);
    assert_eq!((bench.engine.shelves(), bench.engine.deadline()), (0, None));
}

#[test]
fn what_is_found_at_the_start_does_not_go_home_for_the_restarts_sake() {
    let mut bench = Bench::new(RightsConfig::kiosk(), 0, 4);
    let (shelf, figures) = (shelf(1), rights(4));
    assert_eq!(bench.after(0, Input::Found { shelf, figures }), []);
    let given = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Give { .. }));
    assert!(!given(&bench.after(60_000, Input::Timeout)));
    // Nobody has asked for it since, for days.
    let mut now_ms = 0;
    while let Some(due_ms) = bench.engine.deadline() {
        now_ms = due_ms;
        if given(&bench.after(due_ms, Input::Timeout)) {
            break;
        }
    }
    assert!((2 * 3_600_000..30 * 24 * 3_600_000).contains(&now_ms), "{now_ms}");
}
