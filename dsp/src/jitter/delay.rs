//! How late packets come, and how long it pays to wait for them.
//!
//! A packet's *transit* is the time at which it could be played first, less its timestamp. Sender and receiver have no
//! common clock, so that only differences between transits mean anything; the least one of the last minute counts as 0.
//! Whoever plays a timestamp `t` at time `t + θ` has all packets in time whose transit is at most `θ`.
//!
//! A delay that moves is heard more than one that is a little too long: the signal is stretched with every step. So what
//! counts are many packets, and what came last only where it is much worse; and the delay stays where it is until another one
//! is worth the step.

use super::JitterConfig;

/// Packets over which transits are looked at: 15 s of packets of 20 ms.
const WINDOW: usize = 750;
/// Packets that tell that things are getting worse, and what one of them that comes too late counts for.
const RECENT: usize = 50;
const RECENT_WEIGHT: f64 = 0.25;
/// The delay that is worth twice what so many ms without it would be: who speaks hears little of 100 ms and much of 400 (the
/// impairment `Idd` of ITU-T G.107).
const DEAR_MS: f64 = 500.0;
/// What another delay must save to be aimed at just after a step, ms, and the packets after which half of that will do.
const WORTH_MS: f64 = 20.0;
const SETTLED: f64 = 2_000.0;
/// A step up to this delay at most is one of few, for there is no room for many, and pays at once, ms.
const SHORT_MS: f64 = 20.0;
/// Blocks of which the fastest packet is kept, and how long one is, ms.
const BLOCKS: usize = 6;
const BLOCK_MS: f64 = 10_000.0;
/// A sender's clock is slower when the fastest packet of a block is so much later than that of the block before: 30 ppm.
const LAG_MS: f64 = 0.3;
/// A packet that is so much faster than all before is none of the network: the sender's timestamps have leapt, ms.
const LEAP_MS: f64 = 200.0;
/// Half of what 300 ppm make of 10 s.
const GUARD_MS: f64 = 1.5;

/// The last transits, in the order in which they came and by size.
#[derive(Clone, Debug)]
struct Window {
    ring: Vec<f64>,
    sorted: Vec<f64>,
    at: usize,
    length: usize,
}

impl Window {
    fn new(length: usize) -> Self {
        Self { ring: Vec::with_capacity(length), sorted: Vec::with_capacity(length + 1), at: 0, length }
    }

    fn push(&mut self, value: f64) {
        if self.ring.len() < self.length {
            self.ring.push(value);
        } else {
            let old = std::mem::replace(&mut self.ring[self.at], value);
            self.at = (self.at + 1) % self.length;
            let place = self.sorted.partition_point(|held| *held < old);
            if place < self.sorted.len() {
                self.sorted.remove(place);
            }
        }
        let place = self.sorted.partition_point(|held| *held < value);
        self.sorted.insert(place, value);
    }

    fn clear(&mut self) {
        self.ring.clear();
        self.sorted.clear();
        self.at = 0;
    }

    /// What the transit `value` costs for which so many packets are in time, ms: delay over `least`, and the weighted share of
    /// those that are late.
    fn cost(&self, value: f64, in_time: usize, weight: f64, least: f64) -> f64 {
        let delay = (value - least).max(0.0);
        let late = 1.0 - in_time as f64 / self.sorted.len().max(1) as f64;
        delay + delay * delay / DEAR_MS + weight * late
    }

    fn cost_of(&self, value: f64, weight: f64, least: f64) -> f64 {
        self.cost(value, self.sorted.partition_point(|held| *held <= value), weight, least)
    }

    /// The transit that costs least.
    fn cheapest(&self, weight: f64, least: f64) -> Option<f64> {
        let costs = (1..).zip(&self.sorted).map(|(place, value)| (*value, self.cost(*value, place, weight, least)));
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(value, _)| value)
    }

    /// The least transit.
    fn least(&self) -> Option<f64> {
        self.sorted.first().copied()
    }
}

/// Follows the transits of one stream.
#[derive(Clone, Debug)]
pub(crate) struct DelayEstimator {
    /// What all packets coming too late would be worth, ms.
    late: f64,
    window: Window,
    recent: Window,
    /// The fastest packet of each block, the current one first.
    fastest: [f64; BLOCKS],
    block_began: Option<f64>,
    target: Option<f64>,
    /// Packets since it was changed.
    age: f64,
    /// The fastest arrival of this block and of the one before, ms, and whether the sender's clock is slower.
    arrival: [f64; 2],
    lags: bool,
}

impl DelayEstimator {
    pub fn new(config: &JitterConfig) -> Self {
        Self {
            late: f64::from(config.late_packet_ms) * 100.0,
            window: Window::new(WINDOW),
            recent: Window::new(RECENT),
            fastest: [f64::INFINITY; BLOCKS],
            block_began: None,
            target: None,
            age: 0.0,
            arrival: [f64::INFINITY; 2],
            lags: false,
        }
    }

    /// How long before its turn a packet is to be there, ms. Where the sender's clock is slower than the card's, packets
    /// come later and later, until one is not there when the card asks; this is for time to do something before.
    pub fn guard(&self) -> f64 {
        if self.lags { GUARD_MS } else { 0.0 }
    }

    /// A packet with the time `stream` arrived at `arrival` and can be played at `now`, all ms.
    pub fn arrived(&mut self, arrival: f64, now: f64, stream: f64) {
        let transit = now - stream;
        if self.window.least().is_some_and(|least| transit < least - LEAP_MS) {
            self.forget();
        }
        let began = *self.block_began.get_or_insert(now);
        if now - began > BLOCK_MS {
            self.fastest.rotate_right(1);
            self.fastest[0] = f64::INFINITY;
            self.block_began = Some(now);
            self.lags = self.arrival[0] > self.arrival[1] + LAG_MS;
            self.arrival = [f64::INFINITY, self.arrival[0]];
        }
        self.arrival[0] = self.arrival[0].min(arrival - stream);
        self.fastest[0] = self.fastest[0].min(transit);
        self.window.push(transit);
        self.recent.push(transit);
        self.aim(self.window.least().unwrap_or(transit));
    }

    /// What was known of transits is of another clock.
    fn forget(&mut self) {
        self.window.clear();
        self.recent.clear();
        self.fastest = [f64::INFINITY; BLOCKS];
        self.arrival = [f64::INFINITY; 2];
        self.target = None;
    }

    /// Chooses the transit to wait for; `least` counts as no delay.
    fn aim(&mut self, least: f64) {
        let windows = [(&self.window, self.late), (&self.recent, self.late * RECENT_WEIGHT)];
        let [Some(long), Some(recent)] = windows.map(|(window, weight)| window.cheapest(weight, least)) else { return };
        let best = long.max(recent);
        self.age += 1.0;
        let is_worth_it = |held: f64| {
            let saved = windows
                .map(|(window, weight)| window.cost_of(held, weight, least) - window.cost_of(best, weight, least));
            // To become longer it is enough that things got worse just now.
            let saved = if best > held { saved[0].max(saved[1]) } else { saved[0] };
            let worth = if best > held && best - least <= SHORT_MS { 0.0 } else { WORTH_MS };
            saved * (1.0 + self.age / SETTLED) > worth
        };
        if self.target.is_none_or(is_worth_it) {
            self.target = Some(best);
            self.age = 0.0;
        }
    }

    /// The transit that it pays to wait for, ms; `None` before a packet came.
    pub fn target(&self) -> Option<f64> {
        self.target
    }

    /// The transit of the fastest of the recent packets, ms: what the network takes now at the least.
    pub fn least(&self) -> Option<f64> {
        self.recent.least()
    }

    /// The transit of the fastest packet of the last minute, ms.
    pub fn fastest(&self) -> Option<f64> {
        let fastest = self.fastest.iter().fold(f64::INFINITY, |least, value| least.min(*value));
        fastest.is_finite().then_some(fastest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is aimed at behind each of so many packets of 20 ms.
    fn targets(packets: usize, transit: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut delays = DelayEstimator::new(&JitterConfig::default());
        let aimed = (0..packets).map(|k| {
            let (stream, transit) = (20.0 * k as f64, transit(k));
            delays.arrived(stream + transit, stream + transit, stream);
            delays.target().unwrap()
        });
        aimed.collect()
    }

    #[test]
    fn stalls_that_come_again_and_again_are_waited_for_all_the_time() {
        // 40 ms in which nothing comes, every second and a half; then it comes at once.
        let aimed = targets(3_000, |k| 5.0 + [40.0, 20.0].get(k % 75).copied().unwrap_or_default());
        assert!(aimed[750..].iter().all(|target| *target == aimed[750] && (25.0..=45.0).contains(target)), "{aimed:?}");
        // One in a minute is not.
        let aimed = targets(3_000, |k| if k == 1_500 { 45.0 } else { 5.0 });
        assert_eq!(aimed[2_999], 5.0);
    }

    #[test]
    fn what_grows_worse_is_followed_within_a_second_and_forgotten_within_half_a_minute() {
        let aimed = targets(3_500, |k| if (1_000..2_000).contains(&k) { 5.0 + 10.0 * (k % 10) as f64 } else { 5.0 });
        assert_eq!(aimed[999], 5.0);
        assert!(
            (45.0..=95.0).contains(&aimed[1_050]) && (65.0..=95.0).contains(&aimed[1_999]),
            "{} {}",
            aimed[1_050],
            aimed[1_999]
        );
        assert_eq!(aimed[3_499], 5.0);
    }

    #[test]
    fn timestamps_that_leap_are_no_delay() {
        for leap in [250.0, 500.0, 1_000.0] {
            let aimed = targets(1_200, |k| 5.0 + (k % 3) as f64 - if k < 600 { 0.0 } else { leap });
            assert_eq!((aimed[599], aimed[603], aimed[1_199]), (7.0, 7.0 - leap, 7.0 - leap));
        }
    }

    #[test]
    fn the_longer_the_delay_is_the_less_is_more_of_it_worth() {
        // One packet in a hundred takes 15 ms more than others do.
        let share = |delay: f64| {
            let aimed = targets(3_000, |k| match k % 100 {
                0 => delay + 15.0,
                1..10 => 0.0,
                _ => delay,
            });
            aimed[2_999] - delay
        };
        assert_eq!((share(20.0), share(600.0)), (15.0, 0.0));
    }

    #[test]
    fn on_a_network_that_is_almost_clean_the_few_that_are_late_are_waited_for_at_once() {
        // One packet in two hundred takes 8 ms more: a worklet that was busy.
        let aimed = targets(3_000, |k| if k % 200 == 199 { 13.0 } else { 5.0 });
        assert!(aimed[199..].iter().all(|target| *target == 13.0), "{aimed:?}");
    }

    #[test]
    fn the_delay_stays_where_another_one_is_hardly_better() {
        // Exponentially distributed, 40 ms in the mean, from a number that looks random (Knuth's MMIX).
        let mut state = 7_u64;
        let transits: Vec<f64> = (0..6_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                -40.0 * (1.0 - (state >> 11) as f64 / (1_u64 << 53) as f64).ln()
            })
            .collect();
        let aimed = targets(6_000, |k| transits[k]);
        // Two minutes: what is drawn of the distribution changes all the time, the distribution does not.
        let steps = aimed[750..].windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!((1..=12).contains(&steps), "{steps}");
        assert!(aimed[750..].iter().all(|target| (90.0..=220.0).contains(target)), "{aimed:?}");
        // One that is 8 ms better is chosen in the end.
        let aimed = targets(9_000, |k| if k < 1_000 { 5.0 + 8.0 * (k % 2) as f64 } else { 5.0 });
        assert_eq!((aimed[999], aimed[2_500], aimed[8_999]), (13.0, 13.0, 5.0));
    }
}
