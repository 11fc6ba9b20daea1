//! How much may be said: a bucket that fills with time.

/// Thousandths of a message.
const MESSAGE: u64 = 1000;

#[derive(Debug, Clone)]
pub(super) struct Traffic {
    per_second: u64,
    left: u64,
    at_ms: u64,
}

impl Traffic {
    pub(super) fn new(messages_per_second_max: u32) -> Self {
        let per_second = u64::from(messages_per_second_max.max(1));
        Self {
            per_second,
            left: per_second * MESSAGE,
            at_ms: 0,
        }
    }

    /// Takes room for one message, where there is some.
    pub(super) fn take(&mut self, now_ms: u64) -> bool {
        self.take_above(now_ms, 0)
    }

    /// Takes room for one message that can wait: a quarter is left for answers and grants. Whoever asks much must not
    /// hold up what others have been waiting for.
    pub(super) fn take_what_is_left(&mut self, now_ms: u64) -> bool {
        self.take_above(now_ms, self.per_second / 4 * MESSAGE)
    }

    fn take_above(&mut self, now_ms: u64, kept: u64) -> bool {
        // So many messages a second are so many thousandths a millisecond.
        let filled = now_ms.saturating_sub(self.at_ms).saturating_mul(self.per_second);
        self.left = self.left.saturating_add(filled).min(self.per_second * MESSAGE);
        self.at_ms = self.at_ms.max(now_ms);
        let there = self.left >= MESSAGE + kept;
        if there {
            self.left -= MESSAGE;
        }
        there
    }

    /// How long it takes until there is room for a message where there is none, in milliseconds.
    pub(super) const fn pause_ms(&self) -> u64 {
        MESSAGE.div_ceil(self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lets_through_what_was_agreed() {
        let mut traffic = Traffic::new(10);
        let sent = (0..10_000).filter(|ms| traffic.take(*ms)).count();
        assert!((109..=110).contains(&sent), "{sent}");
        assert!(traffic.take(10_000) && !traffic.take(10_000));
        assert!(traffic.take(10_000 + traffic.pause_ms()));
    }

    #[test]
    fn whoever_asks_leaves_room_for_answers() {
        let mut traffic = Traffic::new(10);
        let asked = (0..20).filter(|_| traffic.take_what_is_left(0)).count();
        let answered = (0..20).filter(|_| traffic.take(0)).count();
        assert_eq!((asked, answered), (8, 2));
    }
}
