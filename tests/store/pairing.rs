//! Devices: a code is good once and for minutes, a token is stored as a hash, a series is never given out again.

use finalmarket::operations::{PairingSeed, RedeemRefusal, pair, redeem, revoke};
use finalmarket::store::{Failure, NewDevice, Rights, Role, TokenHash};

use crate::shop::{Shop, command};

fn till(name: &str) -> NewDevice {
    NewDevice {
        name: name.into(),
        role: Role::Till,
        rights: Rights::default(),
        register: Some("1".parse().unwrap()),
    }
}

const SEED: PairingSeed = PairingSeed {
    code: 77,
    salt: [3; 16],
};

#[test]
fn a_repeat_with_its_key_gets_the_same_token_and_a_stranger_none() {
    let mut shop = Shop::new();
    let now = shop.now();
    let code = shop.core.run(|tx| pair(tx, now, &till("front"), &SEED)).unwrap().code;
    let key = "k-1".parse().unwrap();
    let first = shop
        .core
        .run(|tx| redeem(tx, now, &code, Some("bakery"), Some(&key)))
        .unwrap();
    let again = shop
        .core
        .run(|tx| redeem(tx, now, &code, Some("bakery"), Some(&key)))
        .unwrap();
    assert_eq!((&again.token, again.device.ix), (&first.token, first.device.ix));
    assert_eq!(first.device.name, "bakery");
    for key in [None, Some("k-2".parse().unwrap())] {
        let refused = shop.core.run(|tx| redeem(tx, now, &code, None, key.as_ref()));
        assert_eq!(refused.unwrap_err(), Failure::Refused(RedeemRefusal::Used));
    }
    let devices = shop.core.devices();
    assert_eq!(devices.by_token(TokenHash::of(&first.token)).unwrap().name, "bakery");
    assert!(devices.by_token(TokenHash::of("guess")).is_none());
}

#[test]
fn a_code_ends_after_ten_minutes() {
    let mut shop = Shop::new();
    let now = shop.now();
    let shown = shop.core.run(|tx| pair(tx, now, &till("front"), &SEED)).unwrap();
    shop.clock_ms.set(shown.expires_ms + 1);
    let late = shop.now();
    let refused = shop.core.run(|tx| redeem(tx, late, &shown.code, None, None));
    assert_eq!(refused.unwrap_err(), Failure::Refused(RedeemRefusal::Expired));
    // The next code sweeps it away.
    let seed = PairingSeed { code: 78, ..SEED };
    shop.core.run(|tx| pair(tx, late, &till("front"), &seed)).unwrap();
    let refused = shop.core.run(|tx| redeem(tx, late, &shown.code, None, None));
    assert_eq!(refused.unwrap_err(), Failure::Refused(RedeemRefusal::Unknown));
}

#[test]
fn a_revoked_device_is_forgotten_and_its_series_never_comes_back() {
    let mut shop = Shop::new();
    let first = shop.till("1");
    shop.sell(&first, &command(1)).unwrap();
    let now = shop.now();
    let revoked = shop.core.run(|tx| revoke(tx, now, first.ix)).unwrap();
    assert_eq!(revoked.revoked_ms, Some(now.unix_ms));
    assert!(shop.core.devices().by_token(first.token).is_none());
    let second = shop.till("1");
    assert_ne!(second.till.as_ref().unwrap().series, first.till.unwrap().series);
    let (shop, _) = shop.reopen(2);
    assert!(shop.core.devices().by_token(first.token).is_none());
    assert!(shop.core.devices().by_token(second.token).is_some());
}
