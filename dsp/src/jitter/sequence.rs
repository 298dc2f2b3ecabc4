//! Where a packet belongs: sequence numbers and timestamps unwrapped, and streams that begin anew.
//!
//! Time in the stream is counted in [`FLICKS`], of which every usual clock has a whole number, so that it goes on when
//! the codec and with it the clock changes. When the sender begins anew (another SSRC, numbers that jump) the new
//! timestamps are put where the packet arrived, as if the stream had gone on.

/// Units of time in the stream, per second: a whole number for each tick of 8, 16, 32, 44.1, 48 and 90 kHz.
pub(crate) const FLICKS: i64 = 705_600_000;
/// The same per millisecond.
pub(crate) const FLICKS_PER_MS: f64 = FLICKS as f64 / 1_000.0;

/// More packets than this are not missed in one piece: RFC 3550 appendix A.1 has MAX_DROPOUT 3000.
const LONGEST_DROPOUT: i64 = 3_000;
/// A packet is no older than so many others: MAX_MISORDER there.
const LONGEST_MISORDER: i64 = 100;
/// Timestamps that move against the arrival by more than this have jumped, ms.
const JUMP_MS: f64 = 2_000.0;

/// Header fields that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    /// Of the timestamp, Hz.
    pub clock: u32,
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Sequence number that never wraps.
    pub sequence: i64,
    /// Time in the stream, flicks.
    pub time: i64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    header: Header,
    place: Place,
    arrival: f64,
}

/// Follows one sender.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unwrapper {
    /// The latest packet in the order of the stream.
    last: Option<Last>,
    /// A packet that did not fit; when the next one follows it, the stream has begun anew.
    stray: Option<Header>,
    /// How often it did.
    pub restarts: u64,
}

impl Unwrapper {
    /// The place of a packet that arrived at `arrival`, ms; `None` for one that does not fit in and is not followed yet.
    pub fn place(&mut self, header: Header, arrival: f64) -> Option<Place> {
        let Some(last) = self.last else {
            let place = Place { sequence: i64::from(header.sequence), time: 0 };
            self.last = Some(Last { header, place, arrival });
            return Some(place);
        };
        let tick = FLICKS / i64::from(header.clock.max(1));
        let steps = i64::from(header.sequence.wrapping_sub(last.header.sequence) as i16);
        let ticks = i64::from(header.timestamp.wrapping_sub(last.header.timestamp) as i32);
        let place = Place { sequence: last.place.sequence + steps, time: last.place.time + ticks * tick };
        let moved = (ticks * tick) as f64 / FLICKS_PER_MS - (arrival - last.arrival);
        let fits = header.ssrc == last.header.ssrc
            && header.clock == last.header.clock
            && (-LONGEST_MISORDER..=LONGEST_DROPOUT).contains(&steps)
            // A later packet is not of an earlier time.
            && (steps.signum() * ticks.signum() >= 0 || ticks.abs() < 4)
            && moved.abs() < JUMP_MS;
        if fits {
            self.stray = None;
            if steps > 0 {
                self.last = Some(Last { header, place, arrival });
            }
            return Some(place);
        }
        let follows = self.stray.is_some_and(|stray| {
            header.ssrc == stray.ssrc
                && header.clock == stray.clock
                && header.sequence.wrapping_sub(stray.sequence) < 10
        });
        self.stray = Some(header);
        // Another codec of the same sender is no surprise; what only looks odd must be seen twice.
        if !follows && header.clock == last.header.clock {
            return None;
        }
        let elapsed = ((arrival - last.arrival).clamp(0.0, 60_000.0) * FLICKS_PER_MS) as i64;
        let place = Place { sequence: last.place.sequence + 1, time: last.place.time + elapsed.max(FLICKS / 100) };
        self.last = Some(Last { header, place, arrival });
        self.stray = None;
        self.restarts += 1;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u16, timestamp: u32) -> Header {
        Header { ssrc: 1, sequence, timestamp, clock: 8_000 }
    }

    #[test]
    fn numbers_wrap_and_packets_pass_each_other() {
        let mut unwrapper = Unwrapper::default();
        let first = unwrapper.place(header(65_534, u32::MAX - 100), 0.0).unwrap();
        let places: Vec<_> = [(0_u16, 219_u32, 40.0), (65_535, 59, 41.0), (1, 379, 60.0)]
            .map(|(sequence, timestamp, now)| unwrapper.place(header(sequence, timestamp), now).unwrap())
            .to_vec();
        let steps: Vec<_> = places.iter().map(|place| place.sequence - first.sequence).collect();
        assert_eq!(steps, [2, 1, 3]);
        let ms: Vec<_> = places.iter().map(|place| (place.time - first.time) as f64 / FLICKS_PER_MS).collect();
        assert_eq!(ms, [40.0, 20.0, 60.0]);
        assert_eq!(unwrapper.restarts, 0);
    }

    #[test]
    fn a_stream_that_begins_anew_goes_on_where_it_arrives() {
        let mut unwrapper = Unwrapper::default();
        let first = unwrapper.place(header(10, 1_600), 0.0).unwrap();
        // One odd packet is not believed…
        assert_eq!(unwrapper.place(header(40_000, 5_000_000), 20.0), None);
        assert!(unwrapper.place(header(11, 1_760), 20.0).is_some());
        // …two are.
        assert_eq!(unwrapper.place(header(40_000, 5_000_000), 40.0), None);
        let anew = unwrapper.place(header(40_001, 5_000_160), 60.0).unwrap();
        assert_eq!(((anew.time - first.time) as f64 / FLICKS_PER_MS, unwrapper.restarts), (60.0, 1));
        let next = unwrapper.place(header(40_002, 5_000_320), 80.0).unwrap();
        assert_eq!((next.sequence - anew.sequence, (next.time - anew.time) as f64 / FLICKS_PER_MS), (1, 20.0));
    }

    #[test]
    fn another_clock_goes_on_at_once() {
        let mut unwrapper = Unwrapper::default();
        let first = unwrapper.place(header(10, 1_600), 0.0).unwrap();
        let other = unwrapper.place(Header { clock: 48_000, timestamp: 77, ..header(11, 0) }, 20.0).unwrap();
        assert_eq!((other.sequence - first.sequence, other.time - first.time), (1, FLICKS / 50));
    }
}
