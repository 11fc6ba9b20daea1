//! How much customers have been asking for: an exponentially weighted mean, in whole numbers, so that it is the same on
//! every machine.

/// Demand on one shelf. What was asked for a half-life ago counts half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Demand {
    /// The weighted sum of what was asked for, in smallest parts.
    level: u64,
    at_ms: u64,
    /// Since when there is any.
    since_ms: u64,
}

/// ln 2, in thousandths.
const LN_2: u128 = 693;

/// Fractions are in millionths.
const ONE: u128 = 1_000_000;

/// One half to the power of `x`, from 0 to 1: the series of its first powers, with the last one such that 1 gives a half.
/// A straight line would not do: of demand that is noted often it would forget too little.
const fn half_to_the(x: u128) -> u128 {
    let (first, second, third) = (
        x * 693_147 / ONE,
        x * x / ONE * 240_227 / ONE,
        x * x / ONE * x / ONE * 47_080 / ONE,
    );
    ONE + second - first - third
}

impl Demand {
    /// `parts` were asked for.
    pub(super) fn note(&mut self, now_ms: u64, parts: u64, half_life_ms: u64) {
        let level = self.level(now_ms, half_life_ms);
        if level == 0 {
            self.since_ms = now_ms;
        }
        self.level = level.saturating_add(parts);
        self.at_ms = now_ms;
    }

    /// What is to be expected within `horizon_ms`, in smallest parts.
    pub(super) fn expected(&self, now_ms: u64, half_life_ms: u64, horizon_ms: u64) -> u64 {
        if self.level == 0 {
            return 0;
        }
        // At a steady rate r the level settles at r · half-life / ln 2. Until it has, the rate is the level over what has
        // been seen of that: else an item's first weeks would pass for slow ones. A first customer alone is one in a horizon.
        let settled_ms = u128::from(half_life_ms.max(1)) * 1000 / LN_2;
        let horizon_ms = u128::from(horizon_ms);
        let seen = ONE - halved(now_ms.saturating_sub(self.since_ms), half_life_ms, ONE);
        let seen_ms = (settled_ms * seen / ONE).max(settled_ms.min(horizon_ms)).max(1);
        let expected = u128::from(self.level(now_ms, half_life_ms)) * horizon_ms / seen_ms;
        u64::try_from(expected).unwrap_or(u64::MAX)
    }

    fn level(&self, now_ms: u64, half_life_ms: u64) -> u64 {
        let level = halved(now_ms.saturating_sub(self.at_ms), half_life_ms, self.level.into());
        u64::try_from(level).unwrap_or(self.level)
    }
}

/// What is left of something after a time.
fn halved(passed_ms: u64, half_life_ms: u64, of: u128) -> u128 {
    let half_life_ms = half_life_ms.max(1);
    let halvings = u32::try_from(passed_ms / half_life_ms).unwrap_or(u32::MAX);
    let part = u128::from(passed_ms % half_life_ms) * ONE / u128::from(half_life_ms);
    of.checked_shr(halvings).unwrap_or(0) * half_to_the(part) / ONE
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_LIFE_MS: u64 = 60_000;

    #[test]
    fn a_steady_rate_is_expected_to_go_on() {
        let mut demand = Demand::default();
        for second in 0..600 {
            demand.note(second * 1_000, 2_000, HALF_LIFE_MS);
        }
        let expected = demand.expected(600_000, HALF_LIFE_MS, 30_000);
        assert!((56_000..66_000).contains(&expected), "{expected}");
    }

    #[test]
    fn what_is_new_is_not_taken_for_rare() {
        let mut demand = Demand::default();
        for customer in 0..10 {
            demand.note(customer * 6_000, 1_000, 3_600_000);
        }
        // Ten in a minute, though the half-life is an hour.
        let expected = demand.expected(60_000, 3_600_000, 30_000);
        assert!((4_500..5_500).contains(&expected), "{expected}");
        let mut first = Demand::default();
        first.note(0, 1_000, 3_600_000);
        assert_eq!(first.expected(0, 3_600_000, 30_000), 1_000);
    }

    #[test]
    fn it_halves_and_is_forgotten() {
        let mut demand = Demand::default();
        demand.note(0, 8_000, HALF_LIFE_MS);
        let now = |ms| demand.level(ms, HALF_LIFE_MS);
        assert_eq!(
            (now(0), now(60_000), now(120_000), now(90_000)),
            (8_000, 4_000, 2_000, 2_830)
        );
        assert_eq!(now(u64::MAX), 0);
        assert_eq!(Demand::default().expected(5, 0, 5), 0);
    }
}
