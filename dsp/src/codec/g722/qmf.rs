//! The quadrature mirror filters that part speech at 4 kHz and join it again (G.722 §3.1, §4.4, table 11).

/// Every other one of the 24 coefficients; the others are the same backwards. Scale 2^-13.
const COEFFICIENTS: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// The last twelve pairs of samples, oldest first.
type Pairs = [[i32; 2]; COEFFICIENTS.len()];

fn push(pairs: &mut Pairs, pair: [i32; 2]) {
    pairs.rotate_left(1);
    pairs[COEFFICIENTS.len() - 1] = pair;
}

/// The two branches: the pairs' first numbers by the coefficients, their second ones by the same backwards.
fn branches(pairs: &Pairs) -> (i32, i32) {
    let mut sums = (0, 0);
    for ([first, second], (forward, backward)) in pairs.iter().zip(COEFFICIENTS.iter().zip(COEFFICIENTS.iter().rev())) {
        sums.0 += first * forward;
        sums.1 += second * backward;
    }
    sums
}

/// Parts 16-bit samples into two bands of 15 bits at half the rate.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    pairs: Pairs,
}

impl Analysis {
    /// The lower and the higher band's next value.
    pub fn part(&mut self, samples: [i16; 2]) -> (i32, i32) {
        push(&mut self.pairs, samples.map(i32::from));
        let (odd, even) = branches(&self.pairs);
        ((even + odd) >> 14, (even - odd) >> 14)
    }
}

/// Joins two bands of 15 bits to 16-bit samples.
#[derive(Clone, Debug, Default)]
pub struct Synthesis {
    pairs: Pairs,
}

impl Synthesis {
    /// The next two samples.
    pub fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        push(&mut self.pairs, [low + high, low - high]);
        let (second, first) = branches(&self.pairs);
        [first, second].map(|sum| super::band::saturate(sum >> 11))
    }
}
