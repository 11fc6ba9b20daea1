//! Search as one types, over the whole catalog, in bounded work for each key.
//!
//! First what carries the text as its number, then names that begin with it, then items that have a word beginning
//! with each word typed. Each step stops at the limit, so that one letter costs no more than a word.

use super::catalog::{LISTED, Listed, listed};
use super::{Snapshot, StorageError};
use crate::domain::catalog::Gtin;
use crate::domain::ids::Sku;

/// The most words of a search that count.
const WORDS_MAX: usize = 8;
/// The most characters of a search that count.
const CHARACTERS_MAX: usize = 80;

impl Snapshot<'_> {
    /// The items that best fit what a person has typed so far; at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn search_items(&self, typed: &str, limit: u32) -> Result<Vec<Listed>, StorageError> {
        let typed: String = typed.trim().chars().take(CHARACTERS_MAX).collect();
        if typed.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let mut found = Found {
            items: Vec::new(),
            limit: limit as usize,
        };
        if let Ok(sku) = typed.parse::<Sku>() {
            found.add(self.item(&sku)?);
        }
        if let Ok(gtin) = typed.parse::<Gtin>() {
            let sql = format!("{LISTED} WHERE item.gtin = ?1 ORDER BY ix LIMIT ?2");
            let number = super::keys::row_count(gtin.number());
            found.add(self.all(&sql, (number, limit), listed)?);
        }
        if typed.bytes().all(|byte| byte.is_ascii_digit()) {
            let sql = format!("{LISTED} WHERE item.sku >= ?1 AND item.sku < ?2 ORDER BY item.sku LIMIT ?3");
            found.add(self.all(&sql, (&typed, after_prefix(&typed), limit), listed)?);
        }
        if found.wants_more() {
            let sql = format!(
                "{LISTED} WHERE name COLLATE NOCASE >= ?1 AND name COLLATE NOCASE < ?2 \
                 ORDER BY name COLLATE NOCASE LIMIT ?3"
            );
            found.add(self.all(&sql, (&typed, after_prefix(&typed), limit), listed)?);
        }
        if found.wants_more()
            && let Some(words) = words(&typed)
        {
            let sql = format!("{LISTED} WHERE ix IN (SELECT rowid FROM item_words WHERE item_words MATCH ?1 LIMIT ?2)");
            // Some of them may have been found above.
            let more = limit.saturating_add(found.items.len() as u32);
            found.add(self.all(&sql, (words, more), listed)?);
        }
        Ok(found.items)
    }
}

struct Found {
    items: Vec<Listed>,
    limit: usize,
}

impl Found {
    fn wants_more(&self) -> bool {
        self.items.len() < self.limit
    }

    fn add(&mut self, more: impl IntoIterator<Item = Listed>) {
        for listed in more {
            let known = self.items.iter().any(|found| found.item.sku == listed.item.sku);
            if self.wants_more() && !known {
                self.items.push(listed);
            }
        }
    }
}

/// Beyond every text that begins with `prefix`.
fn after_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

/// The query for items that have words beginning with every word typed. None where there is none.
fn words(typed: &str) -> Option<String> {
    let words: Vec<String> = typed
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        // Letters and digits only, so that nothing in it is the query's own language.
        .map(|word| format!("\"{word}\"*"))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_and_digits_reach_the_query() {
        assert_eq!(words("coca-cola zer").as_deref(), Some("\"coca\"* \"cola\"* \"zer\"*"));
        assert_eq!(words("\"*) OR (").as_deref(), Some("\"OR\"*"));
        assert_eq!(words("--- \"").as_deref(), None);
    }
}
