//! Time as this crate sees it: a number that the driver brings along.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time, in microseconds since an origin of the driver's own choice (page load, process start).
///
/// `std::time::Instant` cannot be made on wasm and cannot be invented by a test; this one can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The driver's origin.
    pub const ZERO: Instant = Instant(0);

    /// The instant `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Instant(micros)
    }

    /// The instant `millis` milliseconds after the origin; stops at the end of the range (584 thousand years).
    pub const fn from_millis(millis: u64) -> Self {
        Instant(millis.saturating_mul(1_000))
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since the origin, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// Time from `earlier` to `self`; zero when `earlier` is the later one.
    pub const fn saturating_duration_since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Stops at the end of the range instead of overflowing: deadlines may be built from numbers off the network.
    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    /// Stops at the origin.
    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_sub(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_both_ends() {
        let second = Duration::from_secs(1);
        assert_eq!(Instant::from_millis(500) + second, Instant::from_micros(1_500_000));
        assert_eq!(Instant::from_millis(500) - second, Instant::ZERO);
        assert_eq!(Instant::from_micros(u64::MAX) + second, Instant::from_micros(u64::MAX));
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::from_micros(u64::MAX));
        assert_eq!(Instant::ZERO.saturating_duration_since(Instant::from_millis(3)), Duration::ZERO);
        assert_eq!(Instant::from_millis(u64::MAX).as_millis(), u64::MAX / 1_000);
    }
}
