//! A backlog drains while the broker is killed, and forgets its sessions and what it had queued, and headquarters is
//! killed in the middle of taking it in.

use crate::bad_record::sell_without_link;
use crate::headquarters::{Company, eventually};

/// How many sales headquarters counts, as far as it answers.
fn counted(company: &Company) -> u64 {
    let totals = company.get("/v1/totals?limit=500");
    let days = totals["totals"].as_array().into_iter().flatten();
    days.filter_map(|day| day["sales"].as_u64()).sum()
}

#[test]
fn a_backlog_arrives_once_over_killed_brokers_and_headquarters() {
    let mut company = Company::open();
    let sold = sell_without_link(&company, 8, 500);
    let store = company.start("store");
    let state = || "nothing arrives".to_owned();
    eventually("the backlog begins to drain", state, || counted(&company) > 0);
    company.kill_headquarters();
    company.broker.restart();
    let before = counted(&company);
    eventually("it goes on", state, || {
        let counted = counted(&company);
        counted > before || counted == sold.len() as u64
    });
    company.broker.restart();
    company.kill_headquarters();
    company.has_everything_of(&[&store]);
    company.counts(&sold);
    assert_eq!(company.came_again(), (0, 0));
    assert_eq!(company.alerts().len(), 0, "{:?}", company.alerts());
    assert_eq!(store.stop_and_audit().sales.len(), sold.len());
    company.close();
}
