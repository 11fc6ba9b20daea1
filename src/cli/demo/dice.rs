//! Randomness that follows from a seed alone, so that a run's customers can come again.

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). Good enough for shoppers, and
/// nothing else may use it: whoever knows the seed knows every number.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// The dice of one `place` in a run: every till has its own, so that none depends on how fast another is.
    pub(super) fn of(seed: u64, place: &str) -> Self {
        let spread = place
            .bytes()
            .fold(seed, |state, byte| mixed(state.wrapping_add(GAMMA) ^ u64::from(byte)));
        Self(spread)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mixed(self.0)
    }

    /// From 0 to under `end`; 0 where `end` is 0. What the remainder leans by is far too little to see in a shop.
    pub(super) fn below(&mut self, end: usize) -> usize {
        match u64::try_from(end) {
            Ok(end) if end > 0 => usize::try_from(self.next() % end).unwrap_or_default(),
            _ => 0,
        }
    }

    /// True in `percent` of 100 throws.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mixed(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_throws_the_same_again_and_another_place_throws_otherwise() {
        let throw = |place: &str| -> Vec<usize> {
            let mut dice = Dice::of(7, place);
            (0..50).map(|_| dice.below(1_000)).collect()
        };
        assert_eq!(throw("harbour 1"), throw("harbour 1"));
        assert_ne!(throw("harbour 1"), throw("harbour 2"));
        assert!(throw("harbour 1").iter().all(|thrown| *thrown < 1_000));
    }
}
