//! Spreads an amount over several so that nothing is lost to rounding.

use super::Minor;

/// Spreads `amount` over `weights`, in proportion to them, so that the shares sum to exactly `amount`.
///
/// Each share is rounded down; the minor units left over go, one each, to the largest remainders, and among equal ones
/// to the earlier (the method of largest remainders; "allocate" in Fowler, *Patterns of Enterprise Application
/// Architecture*, Money). Where `amount` is at most the sum of the weights, no share is over its weight.
///
/// None where the amount or a weight is negative, where the sum of the weights does not fit, or where there is an
/// amount and nothing to spread it over.
#[must_use]
pub fn allocate(amount: Minor, weights: &[Minor]) -> Option<Vec<Minor>> {
    let mut sum = Minor::default();
    for weight in weights {
        sum = sum.checked_add(*weight)?;
    }
    if amount.0 < 0 || weights.iter().any(|weight| weight.0 < 0) || (sum.0 == 0 && amount.0 > 0) {
        return None;
    }
    if amount.0 == 0 {
        return Some(vec![Minor::default(); weights.len()]);
    }
    let exact = |weight: &Minor| i128::from(amount.0) * i128::from(weight.0);
    let sum = i128::from(sum.0);
    let mut shares = weights
        .iter()
        .map(|weight| i64::try_from(exact(weight) / sum).ok().map(Minor))
        .collect::<Option<Vec<_>>>()?;
    let given: i64 = shares.iter().map(|share| share.0).sum();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    // Stable, so that equal remainders stay in order.
    by_remainder.sort_by_key(|at| std::cmp::Reverse(exact(&weights[*at]) % sum));
    // The remainders sum to as many minor units as are left, so there are more of them than units.
    for at in by_remainder.into_iter().zip(given..amount.0).map(|(at, _)| at) {
        shares[at].0 += 1;
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spread(amount: i64, weights: &[i64]) -> Option<Vec<i64>> {
        let weights: Vec<_> = weights.iter().copied().map(Minor).collect();
        Some(
            allocate(Minor(amount), &weights)?
                .into_iter()
                .map(|share| share.0)
                .collect(),
        )
    }

    #[test]
    fn the_largest_remainders_get_what_is_left() {
        // Fowler's own example: 5 cents over 70 % and 30 %; and three equal parts of 100 cents.
        assert_eq!(spread(5, &[70, 30]).unwrap(), [4, 1]);
        assert_eq!(spread(100, &[1, 1, 1]).unwrap(), [34, 33, 33]);
        assert_eq!(spread(7, &[0, 3, 0, 4]).unwrap(), [0, 3, 0, 4]);
        assert_eq!(spread(0, &[]).unwrap(), [0; 0]);
        assert_eq!(spread(i64::MAX, &[i64::MAX]).unwrap(), [i64::MAX]);
    }

    #[test]
    fn what_cannot_be_spread_is_said() {
        for (amount, weights) in [
            (1, &[][..]),
            (1, &[0, 0]),
            (-1, &[1]),
            (1, &[-1, 2]),
            (1, &[i64::MAX, 1]),
        ] {
            assert_eq!(spread(amount, weights), None, "{amount} over {weights:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_amount_and_stay_near_their_proportion(
            weights in proptest::collection::vec(0i64..1 << 50, 1..50),
            amount in 0i64..1 << 56,
        ) {
            let sum: i64 = weights.iter().sum();
            prop_assume!(sum > 0);
            let shares = spread(amount, &weights).unwrap();
            prop_assert_eq!(shares.iter().sum::<i64>(), amount);
            for (share, weight) in shares.iter().zip(&weights) {
                let off = i128::from(*share) * i128::from(sum) - i128::from(amount) * i128::from(*weight);
                prop_assert!(off.abs() < i128::from(sum), "less than one minor unit from its proportion");
                prop_assert!(amount > sum || share <= weight);
            }
        }
    }
}
