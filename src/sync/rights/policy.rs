//! The formulas of the policy, each with its reason. Pure; amounts in smallest parts.

use super::config::StockConfig;

/// How much is kept for customers that are expected: the mean of their demand over the horizon and a safety stock that
/// grows with its root, as for any arrivals that do not know of each other. In whole grains; none where none is expected.
pub(super) fn target(expected: u64, stock: &StockConfig) -> u64 {
    if expected == 0 {
        return 0;
    }
    let grain = stock.grain.parts().max(1);
    // The deviation of n arrivals of one grain each is √n grains, that is √(expected · grain) parts.
    let deviation = u128::from(expected) * u128::from(grain);
    let safety = deviation.isqrt() * u128::from(stock.safety_per_mille) / 1000;
    let wanted = u64::try_from(u128::from(expected) + safety).unwrap_or(u64::MAX);
    // Half a grain and more is a customer; less is a memory of one.
    let grains = wanted.saturating_add(grain / 2) / grain;
    grains.saturating_mul(grain).min(stock.most.parts())
}

/// Below this stock is asked for. Half of the target: what comes then lasts for a while, so that a shelf that sells one
/// by one does not ask one by one.
pub(super) const fn low(target: u64) -> u64 {
    target.div_ceil(2)
}

/// Above this there is surplus. Twice the target: what was asked for at `low` never goes home at once.
pub(super) const fn high(target: u64) -> u64 {
    target.saturating_mul(2)
}

/// What a customer of somebody else's may have.
pub(super) const fn spare_for_customer(available: u64, floor: u64) -> u64 {
    available.saturating_sub(floor)
}

/// What somebody else may have as stock, who wants so much: all of it where it and the own target are both here, else as
/// large a part of what is here as theirs is of what both want, so that it lasts as long there as here. Never more than a
/// share of it: the last units stay where all can ask for them.
pub(super) fn spare_for_stock(available: u64, target: u64, wanted: u64, share_per_mille: u64, grain: u64) -> u64 {
    let available = u128::from(available);
    let both = (u128::from(target) + u128::from(wanted)).max(1);
    let part = (available * u128::from(wanted) / both).min(u128::from(wanted));
    let share = available * u128::from(share_per_mille.min(1000)) / 1000;
    whole_grains(u64::try_from(part.min(share)).unwrap_or(wanted), grain)
}

/// As many whole grains as there are in `parts`.
pub(super) const fn whole_grains(parts: u64, grain: u64) -> u64 {
    match parts.checked_rem(grain) {
        Some(rest) => parts - rest,
        None => parts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::rights::RightsConfig;

    #[test]
    fn stock_is_the_mean_and_its_root() {
        let stock = RightsConfig::kiosk().shelf.stock;
        let targets = [0, 100, 250, 1_000, 4_000, 9_000, 900_000].map(|expected| target(expected, &stock));
        assert_eq!(targets, [0, 1_000, 1_000, 3_000, 8_000, 15_000, 20_000]);
    }

    #[test]
    fn what_was_asked_for_is_no_surplus() {
        for target in [0, 1_000, 3_000, 20_000] {
            assert!(low(target) <= target && target <= high(target), "{target}");
        }
    }

    #[test]
    fn stock_is_shared_so_that_it_lasts_as_long_at_both() {
        assert_eq!(spare_for_stock(100_000, 20_000, 8_000, 500, 1_000), 8_000);
        assert_eq!(spare_for_stock(30_000, 40_000, 20_000, 500, 1_000), 10_000);
        assert_eq!(spare_for_stock(100_000, 0, 80_000, 500, 1_000), 50_000);
        assert_eq!(spare_for_stock(100_000, 0, 80_000, 0, 1_000), 0);
    }

    #[test]
    fn the_last_units_stay() {
        assert_eq!(spare_for_stock(1_000, 0, 1_000, 500, 1_000), 0);
        assert_eq!(spare_for_stock(3_000, 5_000, 1_000, 500, 1_000), 0);
        assert_eq!(spare_for_customer(3_000, 1_000), 2_000);
    }
}
