//! How much customers have been asking for: an exponentially weighted mean, in whole numbers, so that it is the same on
//! every machine.

/// Demand on one shelf. What was asked for a half-life ago counts half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Demand {
    /// The weighted sum of what was asked for, in smallest parts.
    level: u64,
    at_ms: u64,
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
        self.level = self.level(now_ms, half_life_ms).saturating_add(parts);
        self.at_ms = now_ms;
    }

    /// What is to be expected within `horizon_ms`, in smallest parts.
    pub(super) fn expected(&self, now_ms: u64, half_life_ms: u64, horizon_ms: u64) -> u64 {
        // At a steady rate r the level settles at r · half-life / ln 2.
        if self.level == 0 {
            return 0;
        }
        let level = u128::from(self.level(now_ms, half_life_ms));
        let expected = level * u128::from(horizon_ms) * LN_2 / (1000 * u128::from(half_life_ms.max(1)));
        u64::try_from(expected).unwrap_or(u64::MAX)
    }

    fn level(&self, now_ms: u64, half_life_ms: u64) -> u64 {
        let half_life_ms = half_life_ms.max(1);
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        let halvings = u32::try_from(passed_ms / half_life_ms).unwrap_or(u32::MAX);
        let level = self.level.checked_shr(halvings).unwrap_or(0);
        let part = u128::from(passed_ms % half_life_ms) * ONE / u128::from(half_life_ms);
        u64::try_from(u128::from(level) * half_to_the(part) / ONE).unwrap_or(level)
    }
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
