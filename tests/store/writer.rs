//! Group commit: what a job is answered for is on disk, and a refused job undoes only itself.

use std::sync::mpsc::channel;

use finalmarket::operations::sell;
use finalmarket::store::{Change, Failure, Job, StorageError};

use crate::shop::{Shop, command, line, request};

#[test]
fn a_refusal_in_a_group_undoes_only_itself() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let (told, changes) = channel();
    shop.core.on_commit(Box::new(move |changed| {
        let sales = changed
            .iter()
            .filter(|change| matches!(change, Change::Sale(_)))
            .count();
        told.send((sales, changed.len())).unwrap();
    }));
    let (answered, answers) = channel();
    let jobs = (1..=4)
        .map(|counter| {
            let mut command = command(counter);
            if counter == 2 {
                command.lines = vec![line("1001", "1"), line("1002", "1")];
            }
            let (settings, now, till) = (shop.settings.clone(), shop.now(), till.clone());
            let request = request(&till, &command, Some(&format!("k{counter}")));
            let answered = answered.clone();
            Job::new(
                move |tx| {
                    let sold = sell(tx, &settings, now, &till, &request, &command);
                    if counter == 3 {
                        // After everything was written.
                        sold?;
                        return Err(Failure::Refused(finalmarket::operations::TillRefusal::NotATill.into()));
                    }
                    sold
                },
                move |result| answered.send((counter, result)).unwrap(),
            )
        })
        .collect();
    shop.core.run_group(jobs);
    drop(answered);
    let answers: Vec<_> = answers.iter().collect();
    let numbers: Vec<Option<u64>> = answers
        .iter()
        .map(|(_, result)| result.as_ref().ok().map(|sold| sold.sale.receipt.number))
        .collect();
    assert_eq!(numbers, [Some(1), None, None, Some(2)]);
    assert_eq!(shop.stock("1001"), -2000);
    assert_eq!(changes.try_iter().collect::<Vec<_>>(), [(2, 6)]);
    let (mut shop, _) = shop.reopen(2);
    let again = shop.sell_with_key(&till, &command(4), Some("k4")).unwrap();
    assert!(again.repeated);
    assert!(!shop.sell_with_key(&till, &command(3), Some("k3")).unwrap().repeated);
}

#[test]
fn a_defect_in_one_job_takes_nobody_with_it() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let (answered, answers) = channel();
    let job = |shop: &Shop, counter: u64| {
        let (settings, now, till) = (shop.settings.clone(), shop.now(), till.clone());
        let command = command(counter);
        let request = request(&till, &command, None);
        let answered = answered.clone();
        Job::new(
            move |tx| {
                let sold = sell(tx, &settings, now, &till, &request, &command);
                assert!(counter != 2, "a defect");
                sold
            },
            move |result| answered.send((counter, result.is_ok())).unwrap(),
        )
    };
    let jobs = (1..=3).map(|counter| job(&shop, counter)).collect();
    shop.core.run_group(jobs);
    let alone = vec![job(&shop, 2)];
    shop.core.run_group(alone);
    drop(answered);
    assert_eq!(answers.iter().collect::<Vec<_>>(), [(1, true), (3, true)]);
    assert_eq!(shop.sell(&till, &command(4)).unwrap().sale.receipt.number, 3);
}

#[test]
fn a_defect_behind_what_was_sure_undoes_its_group_once() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let (answered, answers) = channel();
    let job = |shop: &Shop, counter: u64| {
        let (settings, now, till) = (shop.settings.clone(), shop.now(), till.clone());
        let command = command(counter);
        let request = request(&till, &command, Some(&format!("k{counter}")));
        let answered = answered.clone();
        Job::sure(
            move |tx| {
                let sold = sell(tx, &settings, now, &till, &request, &command);
                assert!(counter != 3, "a defect");
                sold
            },
            move |result| answered.send((counter, result)).unwrap(),
        )
    };
    let group = |shop: &mut Shop| {
        // The second one is refused before it writes: that undoes nothing.
        let mut jobs: Vec<Job> = (1..=4).map(|counter| job(shop, counter)).collect();
        jobs.insert(1, job(shop, 0));
        shop.core.run_group(jobs);
        answers.try_iter().collect::<Vec<_>>()
    };
    // Its first sale opens the register's series, which is undone with it and no matter here.
    shop.core.run_group(vec![job(&shop, 10)]);
    assert!(answers.try_iter().all(|(_, result)| result.is_ok()));
    let first = group(&mut shop);
    assert_eq!(
        first.iter().map(|(counter, _)| *counter).collect::<Vec<_>>(),
        [1, 0, 2, 4]
    );
    for (_, result) in &first {
        assert_eq!(result, &Err(Failure::Storage(StorageError::Undone)));
    }
    assert_eq!(shop.stock("1001"), -1000);
    let second = group(&mut shop);
    let kept = second.iter().map(|(counter, result)| {
        let number = result.as_ref().map(|sold| sold.sale.receipt.number);
        (*counter, number.ok())
    });
    assert_eq!(
        kept.collect::<Vec<_>>(),
        [(1, Some(2)), (0, None), (2, Some(3)), (4, Some(4))]
    );
    assert_eq!(shop.stock("1001"), -4000);
}
