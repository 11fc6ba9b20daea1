//! What is known of a shelf: the rows of all replicas, as far as they have been heard of.

use std::collections::BTreeMap;

use super::row::{ReplicaId, Row};

/// All rows of one shelf that are known somewhere. Figures are in smallest parts, and as true as what was heard: a row
/// that has not come yet counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shelf {
    rows: BTreeMap<ReplicaId, Row>,
}

impl Shelf {
    /// The row of a replica, where it is known.
    #[must_use]
    pub fn row(&self, of: &ReplicaId) -> Option<&Row> {
        self.rows.get(of)
    }

    /// Every row that is known.
    pub fn rows(&self) -> impl Iterator<Item = (&ReplicaId, &Row)> {
        self.rows.iter()
    }

    /// Takes over what is known of a replica's row.
    pub fn merge_row(&mut self, of: &ReplicaId, row: &Row) {
        self.rows.entry(of.clone()).or_default().merge(row);
    }

    /// Takes over what is known elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (of, row) in &other.rows {
            self.merge_row(of, row);
        }
    }

    /// What is there: `Σ added − Σ removed`. Below 0 where more was sold in hand than was ever recorded as received.
    #[must_use]
    pub fn quantity(&self) -> i128 {
        self.sum(|row| i128::from(row.registers().added.parts()) - i128::from(row.registers().removed.parts()))
    }

    /// What is promised: `Σ held − Σ freed`.
    #[must_use]
    pub fn reserved(&self) -> i128 {
        self.sum(|row| i128::from(row.registers().held.parts()) - i128::from(row.registers().freed.parts()))
    }

    /// Sold beyond rights and not settled yet: `Σ debt − Σ repaid`.
    #[must_use]
    pub fn owed(&self) -> i128 {
        self.sum(|row| i128::from(row.registers().debt.parts()) - i128::from(row.registers().repaid.parts()))
    }

    /// Rights that were handed on and have not arrived: `Σ given − Σ accepted`. Below 0 only where a receiver's row has
    /// been heard of and the giver's has not.
    #[must_use]
    pub fn under_way(&self) -> i128 {
        let given = |row: &Row| {
            row.registers()
                .given
                .values()
                .map(|n| i128::from(n.parts()))
                .sum::<i128>()
        };
        let accepted = |row: &Row| {
            row.registers()
                .accepted
                .values()
                .map(|n| i128::from(n.parts()))
                .sum::<i128>()
        };
        self.sum(|row| given(row) - accepted(row))
    }

    /// What is there and promised to nobody.
    #[must_use]
    pub fn unreserved(&self) -> i128 {
        self.quantity() - self.reserved()
    }

    fn sum(&self, of: impl Fn(&Row) -> i128) -> i128 {
        self.rows.values().map(of).sum()
    }
}
