//! A disk without room, modelled under the real store and API: every write that would make a file longer is refused.

use crate::books;
use crate::http::{Connection, Request};
use crate::shop::{OPERATOR, Shop};
use crate::till::{Till, number, sale};

#[test]
fn a_sale_on_a_full_disk_is_refused_whole_and_made_once_there_is_room() {
    let mut shop = Shop::new("disk full");
    let living = shop.start().unwrap();
    let mut till = Till::pair(living.address, OPERATOR, "1");
    assert_eq!(till.sold(1), 1);
    let before = (till.stock(), till.get("/v1/sync")["journal_seq"].clone());

    shop.power.disk_full(true);
    for _ in 0..3 {
        let refused = till.sell(2);
        refused.problem(503, "disk-full");
        assert_ne!(refused.header("retry-after"), "");
    }
    till.ask(Request::get("/readyz")).problem(503, "disk-full");
    // Reading goes on, and nothing was done by halves.
    assert_eq!((till.stock(), till.get("/v1/sync")["journal_seq"].clone()), before);
    assert!(till.sell(1).replayed());

    shop.power.disk_full(false);
    till.reply_when("/readyz", |reply| reply.status == 200);
    let sold = till.sell(2);
    assert!(!sold.replayed());
    assert_eq!(number(&sold.ok(201)), 2);
    assert_eq!(till.sold(3), 3);
    let books = books::audit_folder(shop.folder(), Some(shop.power.name())).unwrap();
    assert_eq!(books.sales.len(), 3);
    drop(living.stop_serving());
}

#[test]
fn a_whole_group_is_refused_and_made_once_there_is_room() {
    const TILLS: u64 = 8;
    let mut shop = Shop::new("disk full for a group");
    let living = shop.start().unwrap();
    let tills: Vec<Till> = (1..=TILLS)
        .map(|till| Till::pair(living.address, OPERATOR, &till.to_string()))
        .collect();
    let mut lines: Vec<Connection> = tills
        .iter()
        .map(|_| Connection::open(living.address).unwrap())
        .collect();
    let mut sell = |expected: u16| {
        for (line, till) in lines.iter_mut().zip(&tills) {
            line.send(Request::post("/v1/sales", "sale-1", &sale(1)).by(&till.token))
                .unwrap();
        }
        let replies: Vec<_> = lines.iter_mut().map(|line| line.receive().unwrap()).collect();
        assert!(
            replies
                .iter()
                .all(|reply| reply.status == expected && !reply.replayed()),
            "{replies:?}"
        );
    };
    shop.power.disk_full(true);
    sell(503);
    sell(503);
    shop.power.disk_full(false);
    sell(201);
    let books = books::audit_folder(shop.folder(), Some(shop.power.name())).unwrap();
    assert_eq!((books.sales.len() as u64, books.records), (TILLS, TILLS + 1));
    drop(living.stop_serving());
}

#[test]
fn a_node_that_starts_on_a_full_disk_leaves_it_as_it_was() {
    let mut shop = Shop::new("disk full at the start");
    shop.power.disk_full(true);
    let refused = shop.start().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("the disk is full"), "{refused}");
    shop.power.disk_full(false);
    let living = shop.start().unwrap();
    assert_eq!(Till::pair(living.address, OPERATOR, "1").sold(1), 1);
    drop(living.stop_serving());
}
