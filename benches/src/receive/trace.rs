//! Networks that are made here, each from its seed: when each packet arrives, or that it does not.

/// When packets of 20 ms arrive, ms since the first was sent; `None`: lost.
pub type Trace = Vec<Option<f64>>;

/// What makes a network.
#[derive(Clone, Copy, Debug)]
struct Network {
    /// Share of packets lost by themselves, and chance for each to begin a burst of so many ms, twice that at the most.
    loss: f64,
    burst: (f64, f64),
    /// Mean of exponentially distributed delay, ms; packets may pass each other or not.
    jitter: f64,
    reorder: bool,
    /// Chance for each packet to meet a stall of up to so many ms, behind which all come at once.
    stall: (f64, f64),
    /// A slow wave of delay: so many ms up and down in so many s.
    wave: (f64, f64),
}

const STILL: Network =
    Network { loss: 0.0, burst: (0.0, 0.0), jitter: 0.0, reorder: false, stall: (0.0, 0.0), wave: (0.0, 1.0) };

/// All networks, by their names.
const NETWORKS: [(&str, Network); 12] = [
    ("clean", STILL),
    ("loss 2 %", Network { loss: 0.02, jitter: 2.0, ..STILL }),
    ("loss 5 %", Network { loss: 0.05, jitter: 4.0, ..STILL }),
    ("loss 10 %", Network { loss: 0.10, jitter: 4.0, ..STILL }),
    ("loss 20 %", Network { loss: 0.20, jitter: 4.0, ..STILL }),
    ("bursts of 100 ms", Network { burst: (0.012, 100.0), jitter: 3.0, ..STILL }),
    ("jitter 20 ms", Network { jitter: 20.0, reorder: true, ..STILL }),
    ("jitter 60 ms", Network { jitter: 60.0, reorder: true, ..STILL }),
    ("stalls of 300 ms", Network { stall: (0.006, 300.0), jitter: 8.0, ..STILL }),
    ("Wi-Fi", Network { loss: 0.01, burst: (0.003, 60.0), jitter: 6.0, stall: (0.02, 80.0), ..STILL }),
    ("LTE", Network { loss: 0.005, jitter: 9.0, stall: (0.006, 140.0), wave: (25.0, 7.0), ..STILL }),
    (
        "mobile, bad",
        Network { loss: 0.03, burst: (0.006, 120.0), jitter: 15.0, stall: (0.008, 250.0), wave: (30.0, 5.0), ..STILL },
    ),
];

/// Their names.
pub const TRACES: [&str; NETWORKS.len()] = {
    let mut names = [""; NETWORKS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = NETWORKS[at].0;
        at += 1;
    }
    names
};

/// Uniform numbers, the same for a seed at all times.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..10).for_each(|_| {
            random.next();
        });
        random
    }

    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.next()).max(1e-12).ln()
    }
}

/// The trace of `packets` packets through the network of this name; `None` for a name that there is not.
#[must_use]
pub fn trace(name: &str, seed: u64, packets: usize) -> Option<Trace> {
    let network = NETWORKS.iter().find(|(known, _)| *known == name)?.1;
    let mut random = Random::new(seed);
    let (mut lost_until, mut stalled_until, mut last) = (0.0, 0.0, 0.0_f64);
    let trace = (0..packets).map(|k| {
        let sent = 20.0 * k as f64;
        if random.next() < network.burst.0 {
            lost_until = sent + network.burst.1 * (0.5 + 1.5 * random.next());
        }
        if random.next() < network.stall.0 {
            stalled_until = sent + network.stall.1 * (0.3 + 0.7 * random.next());
        }
        let lost = random.next() < network.loss || sent < lost_until;
        let swing = network.wave.0 * (std::f64::consts::TAU * sent / 1_000.0 / network.wave.1).sin();
        let own = sent + random.exponential(network.jitter).min(300.0) + network.wave.0 + swing;
        let mut arrival = own.max(stalled_until);
        if !network.reorder {
            arrival = arrival.max(last + 0.2);
            last = arrival;
        }
        (!lost).then_some(arrival)
    });
    Some(trace.collect())
}

/// The trace of a network that does nothing but lose a share of the packets, each by itself; not the first half second's.
#[must_use]
pub fn losses(share: f64, seed: u64, packets: usize) -> Trace {
    let mut random = Random::new(seed);
    (0..packets).map(|k| (random.next() >= share || k < 25).then_some(20.0 * k as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_the_share_that_was_asked_for() {
        let found = losses(0.18, 5, 20_000);
        let lost = found.iter().filter(|arrival| arrival.is_none()).count() as f64 / 20_000.0;
        assert!((lost - 0.18).abs() < 0.01, "{lost}");
        assert!(found[..25].iter().all(Option::is_some));
        assert!(found.iter().enumerate().all(|(k, arrival)| arrival.is_none_or(|at| at == 20.0 * k as f64)));
    }

    #[test]
    fn a_network_loses_and_delays_as_its_name_says() {
        for name in TRACES {
            let found = trace(name, 3, 20_000).unwrap();
            assert_eq!(found, trace(name, 3, 20_000).unwrap(), "{name}");
            assert!(name == "clean" || found != trace(name, 4, 20_000).unwrap(), "{name}");
            let lost = found.iter().filter(|arrival| arrival.is_none()).count() as f64 / 20_000.0;
            if let Some(told) = name.strip_prefix("loss ").and_then(|told| told.strip_suffix(" %")) {
                let told: f64 = told.parse().unwrap();
                assert!((lost * 100.0 - told).abs() < 0.15 * told + 0.3, "{name}: {lost}");
            }
            let delays = found.iter().enumerate().filter_map(|(k, arrival)| Some((*arrival)? - 20.0 * k as f64));
            let most = delays.fold(0.0, f64::max);
            assert!(most <= 302.0, "{name}: {most} ms");
        }
        assert_eq!(trace("none", 1, 1), None);
    }
}
