//! When the net state of rows goes into documents: at once after a pause, and not too often while rows are touched all
//! the time.

/// The pace of sync points.
#[derive(Debug)]
pub(super) struct Pace {
    pause_ms: u64,
    /// Rows may have been touched since the last sync point began. At the start nobody knows.
    touched: bool,
    /// One is being written.
    writing: bool,
    /// The next one is not before this.
    next_ms: u64,
}

impl Pace {
    pub(super) const fn new(pause_ms: u64) -> Self {
        Self {
            pause_ms,
            touched: true,
            writing: false,
            next_ms: 0,
        }
    }

    pub(super) const fn touched(&mut self) {
        self.touched = true;
    }

    /// True where a sync point is to be written now.
    pub(super) const fn begins(&mut self, now_ms: u64) -> bool {
        if !self.touched || self.writing || now_ms < self.next_ms {
            return false;
        }
        self.touched = false;
        self.writing = true;
        self.next_ms = now_ms.saturating_add(self.pause_ms);
        true
    }

    pub(super) const fn ended(&mut self) {
        self.writing = false;
    }

    /// It was not written, and is to be tried again.
    pub(super) const fn failed(&mut self) {
        self.writing = false;
        self.touched = true;
    }

    /// When [`begins`](Self::begins) may be true.
    pub(super) const fn deadline_ms(&self) -> Option<u64> {
        if self.touched && !self.writing {
            Some(self.next_ms)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_once_after_a_pause_and_no_oftener_than_it_may() {
        let mut pace = Pace::new(2_000);
        assert!(pace.begins(5), "what was touched before the start");
        pace.touched();
        assert!(!pace.begins(9_000), "one is being written");
        pace.ended();
        assert_eq!(pace.deadline_ms(), Some(2_005));
        assert!(!pace.begins(2_004));
        assert!(pace.begins(2_005));
        pace.ended();
        assert_eq!(pace.deadline_ms(), None, "nothing was touched");
        pace.touched();
        assert!(pace.begins(60_000), "at once after a pause");
        pace.failed();
        assert!(!pace.begins(60_001));
        assert!(pace.begins(62_000));
    }
}
