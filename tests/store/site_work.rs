//! Pickups and transfers at a site, from its feed and its staff, with the link wherever it is.

use std::convert::Infallible;

use finalmarket::domain::escrow::{Amount, Grant, ReplicaId};
use finalmarket::domain::ids::Incarnation;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{
    By, DifferenceReason, GrantLine, Granted, HandedHold, HoldId, HoldLine, HoldOpened, HoldPurpose, Pickup, PickupAct,
    PickupOrdered, PickupReason, PickupState, PickupStep, SiteNews, Transfer, TransferDispatched, TransferId,
    TransferState, Way, site_feed,
};
use finalmarket::operations::{
    DispatchCommand, EnteredBy, PickupCommand, PickupDecision, PickupRefusal, ReceiptCommand, TransferCommand,
    TransferRefusal, accept, apply_feed_page, call_off_transfer, decide_pickup, dispatch_transfer, expire_holds,
    own_replica, receive_transfer, repair, request_transfer, verify,
};
use finalmarket::store::{Device, Failure, PickupRow, TransferRow};
use finalmarket::sync::wire::{FeedEntry, FeedPage};

use crate::shop::{Shop, command};

const ID: HoldId = HoldId([3; 8]);

fn lines(quantities: &[(&str, i64)]) -> Vec<HoldLine> {
    let line = |(sku, units): &(&str, i64)| HoldLine {
        sku: sku.parse().unwrap(),
        quantity: Quantity::from_units(*units).unwrap(),
    };
    quantities.iter().map(line).collect()
}

/// Two pieces of chocolate, ordered online.
fn ordered(paid: bool) -> Pickup {
    let ordered = PickupOrdered {
        id: ID,
        site: "store_1".parse().unwrap(),
        channel: "web".parse().unwrap(),
        customer: None,
        reference: Some("W-7".into()),
        paid,
        lines: lines(&[("1001", 2)]),
        ordered_ms: 1,
    };
    Pickup { ordered, last: None }
}

fn cancelled(pickup: Pickup) -> Pickup {
    let last = Some(PickupStep {
        id: ID,
        site: pickup.ordered.site.clone(),
        act: PickupAct::Cancelled,
        by: "the web shop".into(),
        staff: None,
        note: None,
    });
    Pickup { last, ..pickup }
}

/// Tells the site something in its feed.
fn tell(shop: &mut Shop, version: u64, news: SiteNews) {
    let key = news.key().key();
    let body = Some(news.to_json().unwrap());
    page(shop, version, &[FeedEntry { key, body }]);
}

fn page(shop: &mut Shop, version: u64, entries: &[FeedEntry]) {
    let page = FeedPage {
        session: 1,
        feed: site_feed(&"store_1".parse().unwrap()),
        after: version - 1,
        after_epoch: 0,
        through: version,
        epoch: 0,
        afresh: false,
        last: true,
        count: entries.len() as u32,
        entries: zstd::bulk::compress(&postcard::to_allocvec(entries).unwrap(), 3).unwrap(),
    };
    let now = shop.now();
    shop.core.run(|tx| apply_feed_page(tx, now, &page)).unwrap();
}

fn decide(shop: &mut Shop, till: &Device, decision: PickupDecision) -> Result<PickupRow, Failure<PickupRefusal>> {
    let now = shop.now();
    let command = PickupCommand {
        decision,
        staff: None,
        note: None,
    };
    shop.core.run(|tx| decide_pickup(tx, now, till, ID, &command))
}

fn state(shop: &Shop) -> PickupState {
    let row = shop.core.read(|snapshot| snapshot.pickup(ID)).unwrap();
    row.unwrap().pickup.state()
}

/// Headquarters hands the hold over, with its rights.
fn hand_over(shop: &mut Shop) {
    let headquarters = ReplicaId {
        node: "hq".parse().unwrap(),
        incarnation: Incarnation { counter: 1, random: 5 },
    };
    let grant = Grant {
        before: Amount::ZERO,
        after: Amount::new(2_000).unwrap(),
    };
    let ordered = ordered(false).ordered;
    let granted = Granted {
        to: shop.core.read(own_replica).unwrap(),
        site: ordered.site.clone(),
        request: None,
        lines: vec![GrantLine {
            sku: "1001".parse().unwrap(),
            grant,
        }],
        hold: Some(HandedHold {
            opened: HoldOpened {
                id: ID,
                site: ordered.site,
                purpose: HoldPurpose::Pickup,
                channel: ordered.channel,
                customer: None,
                staff: None,
                lifetime_ms: 60_000,
                lines: ordered.lines,
            },
        }),
    };
    shop.write(|tx, now| accept(tx, now, &headquarters, &granted)).unwrap();
    // It may come again.
    shop.write(|tx, now| accept(tx, now, &headquarters, &granted)).unwrap();
}

/// On hand, reserved, owed, in units.
fn figures(shop: &Shop) -> [i64; 3] {
    let sku = "1001".parse().unwrap();
    let found = shop
        .core
        .read(|snapshot| snapshot.stock(&sku))
        .unwrap()
        .unwrap_or_default();
    [found.on_hand, found.reserved, found.owed].map(|quantity| quantity.thousandths() / 1_000)
}

#[track_caller]
fn clean(shop: &Shop) {
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    assert_eq!(found.differences, []);
}

#[test]
fn a_hold_that_comes_after_the_goods_went_settles_what_they_owe() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    tell(&mut shop, 1, SiteNews::Pickup(Box::new(ordered(true))));
    assert_eq!(
        decide(&mut shop, &till, PickupDecision::Accept).unwrap().pickup.state(),
        PickupState::Accepted
    );
    decide(&mut shop, &till, PickupDecision::Ready).unwrap();
    // Nothing of the goods is this node's to promise: all of the rights are headquarters'.
    decide(&mut shop, &till, PickupDecision::Collect).unwrap();
    assert_eq!((state(&shop), figures(&shop)), (PickupState::Collected, [-2, 0, 2]));
    hand_over(&mut shop);
    assert_eq!(figures(&shop), [-2, 0, 0]);
    assert!(matches!(
        decide(&mut shop, &till, PickupDecision::Accept),
        Err(Failure::Refused(PickupRefusal::Over {
            state: PickupState::Collected,
            ..
        }))
    ));
    // A cancellation that crossed it changes nothing: the customer has the goods.
    tell(&mut shop, 2, SiteNews::Pickup(Box::new(cancelled(ordered(true)))));
    assert_eq!(state(&shop), PickupState::Collected);
    clean(&shop);
}

#[test]
fn a_pickup_is_sold_refused_cancelled_or_lapses_and_its_hold_ends_with_it() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let fresh = |paid| SiteNews::Pickup(Box::new(ordered(paid)));

    tell(&mut shop, 1, fresh(false));
    decide(&mut shop, &till, PickupDecision::Accept).unwrap();
    hand_over(&mut shop);
    assert_eq!(figures(&shop), [0, 2, 0]);
    assert!(matches!(
        decide(&mut shop, &till, PickupDecision::Collect),
        Err(Failure::Refused(PickupRefusal::NotPaid(ID)))
    ));
    let mut sale = command(1);
    sale.hold = Some(ID);
    sale.lines[0].quantity = "2".parse().unwrap();
    shop.sell(&till, &sale).unwrap();
    assert_eq!((state(&shop), figures(&shop)), (PickupState::Collected, [-2, 0, 0]));
    clean(&shop);

    let mut shop = Shop::new();
    let till = shop.till("1");
    tell(&mut shop, 1, fresh(false));
    decide(&mut shop, &till, PickupDecision::Accept).unwrap();
    hand_over(&mut shop);
    decide(&mut shop, &till, PickupDecision::Refuse(PickupReason::NotThere)).unwrap();
    assert_eq!((state(&shop), figures(&shop)), (PickupState::Refused, [0, 0, 0]));
    clean(&shop);

    let mut shop = Shop::new();
    let till = shop.till("1");
    tell(&mut shop, 1, fresh(false));
    decide(&mut shop, &till, PickupDecision::Accept).unwrap();
    hand_over(&mut shop);
    tell(&mut shop, 2, SiteNews::Pickup(Box::new(cancelled(ordered(false)))));
    assert_eq!((state(&shop), figures(&shop)), (PickupState::Cancelled, [0, 0, 0]));
    clean(&shop);

    let mut shop = Shop::new();
    let till = shop.till("1");
    tell(&mut shop, 1, fresh(false));
    decide(&mut shop, &till, PickupDecision::Accept).unwrap();
    hand_over(&mut shop);
    shop.clock_ms.set(shop.clock_ms.get() + 61_000);
    assert_eq!(shop.write(expire_holds).unwrap(), 1);
    assert_eq!((state(&shop), figures(&shop)), (PickupState::Lapsed, [0, 0, 0]));
    clean(&shop);
    shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
    assert_eq!(state(&shop), PickupState::Lapsed);
    clean(&shop);
}

#[test]
fn what_the_feed_no_longer_speaks_of_goes_and_what_is_not_ours_is_set_aside() {
    let mut shop = Shop::new();
    tell(&mut shop, 1, SiteNews::Pickup(Box::new(ordered(false))));
    let mut elsewhere = ordered(false);
    elsewhere.ordered.site = "store_2".parse().unwrap();
    elsewhere.ordered.id = HoldId([4; 8]);
    tell(&mut shop, 2, SiteNews::Pickup(Box::new(elsewhere)));
    let unknown = FeedEntry {
        key: "weather/1".into(),
        body: Some("{}".into()),
    };
    page(&mut shop, 3, &[unknown]);
    assert!(
        shop.core
            .read(|snapshot| snapshot.pickup(HoldId([4; 8])))
            .unwrap()
            .is_none()
    );
    let gone = FeedEntry {
        key: SiteNews::Pickup(Box::new(ordered(false))).key().key(),
        body: None,
    };
    page(&mut shop, 4, &[gone]);
    assert!(shop.core.read(|snapshot| snapshot.pickup(ID)).unwrap().is_none());
}

type Transferred = Result<TransferRow, TransferRefusal>;

fn done(result: Result<TransferRow, Failure<TransferRefusal>>) -> Transferred {
    match result {
        Ok(row) => Ok(row),
        Err(Failure::Refused(refusal)) => Err(refusal),
        Err(Failure::Storage(error)) => panic!("{error}"),
    }
}

fn ask(shop: &mut Shop, till: &Device, comes: bool) -> TransferId {
    let now = shop.now();
    let command = TransferCommand {
        other: "store_2".parse().unwrap(),
        comes,
        lines: lines(&[("1001", 3)]),
        by: EnteredBy::default(),
    };
    let key = format!("t-{}", now.unix_ms).parse().unwrap();
    let row = done(shop.core.run(|tx| request_transfer(tx, now, till, &key, &command)));
    row.unwrap().transfer.id
}

fn dispatch(shop: &mut Shop, till: &Device, id: TransferId, units: i64) -> Transferred {
    let now = shop.now();
    let command = DispatchCommand {
        lines: lines(&[("1001", units)]),
        hold: None,
        by: EnteredBy::default(),
    };
    done(shop.core.run(|tx| dispatch_transfer(tx, now, till, id, &command)))
}

fn receive(
    shop: &mut Shop,
    till: &Device,
    id: TransferId,
    units: i64,
    reason: Option<DifferenceReason>,
) -> Transferred {
    let now = shop.now();
    let command = ReceiptCommand {
        from: None,
        lines: lines(&[("1001", units)]),
        reason,
        by: EnteredBy::default(),
    };
    done(shop.core.run(|tx| receive_transfer(tx, now, till, id, &command)))
}

fn sent_from_elsewhere(id: TransferId, units: i64) -> SiteNews {
    let dispatched = Some(TransferDispatched {
        id,
        way: Way {
            from: "store_2".parse().unwrap(),
            to: "store_1".parse().unwrap(),
        },
        lines: lines(&[("1001", units)]),
        from_hold: false,
        by: By {
            device: "ramp".into(),
            staff: None,
            note: None,
        },
    });
    SiteNews::Transfer(Box::new(Transfer {
        dispatched,
        ..Transfer::new(id)
    }))
}

fn alerts(shop: &Shop) -> Vec<String> {
    let found = shop.core.read(|snapshot| snapshot.alerts(false, None, 10)).unwrap();
    found.into_iter().map(|alert| alert.detail).collect()
}

#[test]
fn goods_leave_once_and_only_with_rights_or_out_of_a_hold() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let first = ask(&mut shop, &till, false);
    assert!(matches!(dispatch(&mut shop, &till, first, 3), Err(TransferRefusal::NotEnough(short)) if short.len() == 1));
    assert_eq!(figures(&shop), [0, 0, 0]);
    hand_over(&mut shop);
    let now = shop.now();
    let from_hold = DispatchCommand {
        lines: lines(&[("1001", 1)]),
        hold: Some(ID),
        by: EnteredBy::default(),
    };
    let sent = done(shop.core.run(|tx| dispatch_transfer(tx, now, &till, first, &from_hold)));
    assert_eq!(sent.unwrap().transfer.state(), TransferState::InTransit);
    assert_eq!(figures(&shop), [-1, 0, 0], "what did not leave is free again");
    let second = ask(&mut shop, &till, false);
    dispatch(&mut shop, &till, second, 1).unwrap();
    assert!(matches!(
        dispatch(&mut shop, &till, second, 1),
        Err(TransferRefusal::State { .. })
    ));
    let now = shop.now();
    let late = done(
        shop.core
            .run(|tx| call_off_transfer(tx, now, &till, second, &EnteredBy::default())),
    );
    assert!(matches!(late, Err(TransferRefusal::State { .. })));
    assert_eq!(figures(&shop), [-2, 0, 0]);
    clean(&shop);
    shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
    clean(&shop);
}

#[test]
fn goods_arrive_once_before_or_after_the_news_and_a_difference_is_told() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let id = ask(&mut shop, &till, true);
    assert!(matches!(
        dispatch(&mut shop, &till, id, 3),
        Err(TransferRefusal::NotHere { .. })
    ));
    tell(&mut shop, 1, sent_from_elsewhere(id, 3));
    assert!(matches!(
        receive(&mut shop, &till, id, 2, None),
        Err(TransferRefusal::Unexplained(found)) if found.len() == 1
    ));
    let row = receive(&mut shop, &till, id, 2, Some(DifferenceReason::Missing)).unwrap();
    assert_eq!(
        (row.transfer.state(), figures(&shop)),
        (TransferState::Received, [2, 0, 0])
    );
    assert!(matches!(
        receive(&mut shop, &till, id, 2, None),
        Err(TransferRefusal::State { .. })
    ));
    assert_eq!(alerts(&shop).len(), 1, "{:?}", alerts(&shop));

    // Against the paper, before the news; which then says that one more left.
    let paper = TransferId([9; 8]);
    let row = receive(&mut shop, &till, paper, 4, None).unwrap();
    assert_eq!(
        (row.transfer.state(), figures(&shop)),
        (TransferState::ReceivedEarly, [6, 0, 0])
    );
    tell(&mut shop, 2, sent_from_elsewhere(paper, 5));
    let row = shop.core.read(|snapshot| snapshot.transfer(paper)).unwrap().unwrap();
    assert_eq!(
        (row.transfer.state(), figures(&shop)),
        (TransferState::Received, [6, 0, 0])
    );
    let told = alerts(&shop);
    assert!(told.len() == 1 && told[0].contains(&paper.to_string()), "{told:?}");
    // The news again: nothing is told anew.
    tell(&mut shop, 3, sent_from_elsewhere(paper, 5));
    assert_eq!(alerts(&shop), told);
    clean(&shop);
}

#[test]
fn verify_names_a_pickup_and_a_transfer_that_lost_what_was_decided_and_repair_mends_them() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    tell(&mut shop, 1, SiteNews::Pickup(Box::new(ordered(true))));
    decide(&mut shop, &till, PickupDecision::Accept).unwrap();
    let id = ask(&mut shop, &till, true);
    let now = shop.now();
    let called_off = shop
        .core
        .run(|tx| call_off_transfer(tx, now, &till, id, &EnteredBy::default()));
    assert_eq!(done(called_off).unwrap().transfer.state(), TransferState::CalledOff);
    clean(&shop);
    let (mut shop, changed) = {
        let Shop {
            directory,
            core,
            settings,
            clock_ms,
        } = shop;
        drop(core);
        let db = rusqlite::Connection::open(finalmarket::store::database_path(directory.path())).unwrap();
        let bytes = postcard::to_allocvec(&ordered(true)).unwrap();
        let pickups = db.execute("UPDATE pickup SET pickup = ?1", (bytes,)).unwrap();
        let bytes = postcard::to_allocvec(&Transfer::new(id)).unwrap();
        let transfers = db.execute("UPDATE transfer SET transfer = ?1", (bytes,)).unwrap();
        drop(db);
        let (core, _) = finalmarket::store::WriterCore::open(
            &crate::shop::options(directory.path(), 9),
            crate::shop::at(clock_ms.get()),
        )
        .unwrap();
        (
            Shop {
                directory,
                core,
                settings,
                clock_ms,
            },
            (pickups, transfers),
        )
    };
    assert_eq!(changed, (1, 1));
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    assert_eq!(found.differences.len(), 2, "{:?}", found.differences);
    shop.core
        .run(|tx| repair(tx, crate::shop::at(crate::shop::NOON_MS), |_| {}).map_err(Failure::<Infallible>::Storage))
        .unwrap();
    clean(&shop);
    assert_eq!(state(&shop), PickupState::Accepted);
}
