//! A token bucket: so many a second in the long run, so many at once after a pause.

use tokio::time::Instant;

/// What is left to somebody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    rate: f64,
    burst: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// A full one: `rate` per second, `burst` at once.
    pub(crate) fn new(rate: f64, burst: f64, now: Instant) -> Allowance {
        Allowance { rate, burst, left: burst, at: now }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }

    /// Gives one back.
    pub(crate) fn give(&mut self) {
        self.left = (self.left + 1.0).min(self.burst);
    }

    fn refill(&mut self, now: Instant) {
        self.left = (self.left + now.saturating_duration_since(self.at).as_secs_f64() * self.rate).min(self.burst);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_allowance_fills_up_with_time() {
        let start = Instant::now();
        let mut allowance = Allowance::new(50.0, 200.0, start);
        let taken = (0..1_000).filter(|_| allowance.take(start)).count();
        assert_eq!(taken, 200);
        assert!(!allowance.take(start + Duration::from_millis(10)));
        assert!(allowance.take(start + Duration::from_millis(30)));
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..1_000).filter(|_| allowance.take(later)).count(), 200);
        allowance.give();
        assert!(allowance.take(later) && !allowance.take(later));
    }
}
