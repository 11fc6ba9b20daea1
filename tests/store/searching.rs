//! Search as one types, over 100,000 items.

use std::sync::Mutex;
use std::sync::OnceLock;

use finalmarket::domain::catalog::Item;
use finalmarket::operations::import_catalog;

use crate::shop::{Shop, item};

const WORDS: [&str; 12] = [
    "Apple", "Bread", "Crème", "Dark", "Egg", "Fresh", "Green", "Honey", "Iced", "Juice", "Kiwi", "Lemon",
];

fn items() -> Vec<Item> {
    let word = |number: usize| WORDS[number % WORDS.len()];
    let mut items: Vec<Item> = (0..100_000)
        .map(|number| {
            let name = format!("{} {} {number}", word(number), word(number / 12));
            item(&(1_000_000 + number).to_string(), &name, "1.00")
        })
        .collect();
    items[5].gtin = Some("6291041500213".parse().unwrap());
    items[7].name = "Dark Chocolate-Hazelnut \"Bio\"".parse().unwrap();
    items
}

/// One catalog for all tests here: it takes a while to make.
fn found(typed: &str, limit: u32) -> Vec<Item> {
    static SHOP: OnceLock<Mutex<Shop>> = OnceLock::new();
    let shop = SHOP.get_or_init(|| {
        let mut shop = Shop::new();
        for part in items().chunks(10_000) {
            shop.write(|tx, _| import_catalog(tx, part)).unwrap();
        }
        Mutex::new(shop)
    });
    let shop = shop.lock().unwrap();
    let listed = shop.core.read(|snapshot| snapshot.search_items(typed, limit));
    listed.unwrap().into_iter().map(|listed| listed.item).collect()
}

fn names(typed: &str, limit: u32) -> Vec<String> {
    found(typed, limit).iter().map(|item| item.name.to_string()).collect()
}

#[test]
fn numbers_come_first() {
    assert_eq!(found("1050000", 5)[0].sku.as_str(), "1050000");
    assert_eq!(found("6291041500213", 5)[0].sku.as_str(), "1000005");
    let beginning = found("10500", 20);
    assert!(beginning.len() == 20 && beginning.iter().all(|item| item.sku.as_str().starts_with("10500")));
}

#[test]
fn names_that_begin_so_come_before_words_inside() {
    assert!(names("iced", 20).iter().all(|name| name.starts_with("Iced")));
    assert_eq!(names("dark choc", 5), ["Dark Chocolate-Hazelnut \"Bio\""]);
    assert_eq!(names("hazel bio", 5), ["Dark Chocolate-Hazelnut \"Bio\""]);
    assert_eq!(names("CREME 26", 3)[0], "Crème Crème 26", "accents are passed over");
}

#[test]
fn one_letter_gives_a_full_page_and_nonsense_nothing() {
    for typed in ["a", "j", "k l", "fr"] {
        assert_eq!(found(typed, 20).len(), 20, "{typed}");
    }
    for typed in ["", "   ", "\"", "*) OR (", "xyzzy", "' --"] {
        assert_eq!(found(typed, 20).len(), 0, "{typed}");
    }
    assert_eq!(found("apple", 0).len(), 0);
}
