//! ADPCM of one band: an adaptive quantiser around a predictor of two poles and six zeros (G.722 §3.2 to §3.6, §6.2).
//! Names in capitals are those of the Recommendation's blocks. Numbers are its 16-bit ones, in 32 bits.

/// Values of the higher band's code.
pub const HIGH_VALUES: usize = 4;
/// Values of the lower band's code without its two lowest bits: by those alone the state goes on.
const LOW_VALUES: usize = 16;

/// QM6 (table 17): what the lower band's six bits mean, by the scale factor, 2^-15.
const LOW_FINE: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];
/// QM4: what its four highest bits mean.
const LOW_COARSE: [i32; LOW_VALUES] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];
/// QM2: what the higher band's two bits mean.
const HIGH: [i32; HIGH_VALUES] = [-7_408, -1_616, 7_408, 1_616];
/// WL by RL42: how the logarithm of the lower band's scale factor goes on after each of the four bits.
const LOW_STEPS: [i32; LOW_VALUES] =
    [-60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60];
/// WH by RH2: the same of the higher band.
const HIGH_STEPS: [i32; HIGH_VALUES] = [798, -214, 798, -214];
/// ILB: 2^(n/32), 2^-11.
const POWERS: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774, 2_834,
    2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];
/// Q6: where the lower band's quantiser decides, by the scale factor, 2^-12.
const LOW_DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1_023, 1_121, 1_219, 1_339,
    1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];
/// Where the higher band's does.
const HIGH_DECISION: i32 = 564;

/// Within 16 bits.
pub fn saturate(value: i32) -> i16 {
    i16::try_from(value).unwrap_or(if value < 0 { i16::MIN } else { i16::MAX })
}

/// The same, to go on with.
fn limit(value: i32) -> i32 {
    i32::from(saturate(value))
}

/// A number by a factor of 2^-15.
fn scale(value: i32, factor: i32) -> i32 {
    (value * factor) >> 15
}

/// Distance from zero, with -1 as near as 0 (QUANTL, QUANTH).
fn magnitude(value: i32) -> i32 {
    if value < 0 { !value } else { value }
}

/// The lower band: six bits.
#[derive(Clone, Debug)]
pub struct LowBand {
    predictor: Predictor,
    step: Step,
}

impl Default for LowBand {
    fn default() -> LowBand {
        LowBand { predictor: Predictor::default(), step: Step { logarithm: 0, factor: 32 } }
    }
}

impl LowBand {
    /// The value of a code below 64, 15 bits.
    pub fn decode(&mut self, code: u8) -> i32 {
        let fine = LOW_FINE[usize::from(code & 0x3F)];
        let value = self.predictor.prediction + scale(self.step.factor, fine);
        self.go_on(code);
        value.clamp(-16_384, 16_383)
    }

    /// The code of a value.
    pub fn encode(&mut self, value: i32) -> u8 {
        let error = limit(value - self.predictor.prediction);
        let level = magnitude(error);
        let passed = LOW_DECISIONS.iter().take_while(|decision| level >= (*decision * self.step.factor) >> 12).count();
        let passed = u8::try_from(passed).unwrap_or(u8::MAX);
        // ILN, ILP: from 61 down when positive; 63, 62 and then from 31 down when negative.
        let code = match (error < 0, passed) {
            (false, passed) => 61 - passed,
            (true, 0 | 1) => 63 - passed,
            (true, passed) => 33 - passed,
        };
        self.go_on(code);
        code
    }

    fn go_on(&mut self, code: u8) {
        let coarse = usize::from(code >> 2) % LOW_VALUES;
        let difference = scale(self.step.factor, LOW_COARSE[coarse]);
        self.step.adapt(LOW_STEPS[coarse], 18_432, 8);
        self.predictor.adapt(difference);
    }
}

/// The higher band: two bits.
#[derive(Clone, Debug)]
pub struct HighBand {
    predictor: Predictor,
    step: Step,
}

impl Default for HighBand {
    fn default() -> HighBand {
        HighBand { predictor: Predictor::default(), step: Step { logarithm: 0, factor: 8 } }
    }
}

impl HighBand {
    /// The value of a code below 4, 15 bits.
    pub fn decode(&mut self, code: u8) -> i32 {
        let prediction = self.predictor.prediction;
        (prediction + self.go_on(code)).clamp(-16_384, 16_383)
    }

    /// The code of a value.
    pub fn encode(&mut self, value: i32) -> u8 {
        let error = limit(value - self.predictor.prediction);
        let far = magnitude(error) >= (HIGH_DECISION * self.step.factor) >> 12;
        let code = match (error < 0, far) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        self.go_on(code);
        code
    }

    fn go_on(&mut self, code: u8) -> i32 {
        let code = usize::from(code) % HIGH_VALUES;
        let difference = scale(self.step.factor, HIGH[code]);
        self.step.adapt(HIGH_STEPS[code], 22_528, 10);
        self.predictor.adapt(difference);
        difference
    }
}

/// How large the quantiser's steps are.
#[derive(Clone, Debug)]
struct Step {
    /// NB: its logarithm to the base of 2, 2^-11.
    logarithm: i32,
    /// DET.
    factor: i32,
}

impl Step {
    /// LOGSCL and SCALEL, LOGSCH and SCALEH: forgets by 127/128, and stays within the band's `most`.
    fn adapt(&mut self, by: i32, most: i32, whole: i32) {
        self.logarithm = (((self.logarithm * 127) >> 7) + by).clamp(0, most);
        let power = POWERS[((self.logarithm >> 6) & 31) as usize];
        let down = whole - (self.logarithm >> 11);
        self.factor = if down < 0 { power << -down } else { power >> down } << 2;
    }
}

/// What the next difference is added to.
#[derive(Clone, Debug, Default)]
struct Predictor {
    /// S: by poles and zeros.
    prediction: i32,
    /// SZ: by the zeros alone.
    by_zeros: i32,
    /// A: the poles' coefficients, 2^-14.
    poles: [i32; 2],
    /// B: those of the zeros.
    zeros: [i32; 6],
    /// D: the last differences, newest first.
    differences: [i32; 6],
    /// R: the last values, newest first.
    values: [i32; 2],
    /// P: the last values as the poles see them, newest first.
    partial: [i32; 2],
}

impl Predictor {
    /// Block 4: a difference was found.
    fn adapt(&mut self, difference: i32) {
        let value = limit(self.prediction + difference);
        let partial = limit(self.by_zeros + difference);
        let alike = self.partial.map(|before| (before < 0) == (partial < 0));
        // UPPOL2.
        let lead = limit(self.poles[0] * 4);
        let lead = if alike[0] { limit(-lead) } else { lead };
        let turn = if alike[1] { 128 } else { -128 };
        let second = (turn + (lead >> 7) + scale(self.poles[1], 32_512)).clamp(-12_288, 12_288);
        // UPPOL1: the first within what the second leaves of the stable triangle.
        let turn = if alike[0] { 192 } else { -192 };
        let most = 15_360 - second;
        let first = limit(turn + scale(self.poles[0], 32_640)).clamp(-most, most);
        self.poles = [first, second];
        // UPZERO.
        let pull = if difference == 0 { 0 } else { 128 };
        for (zero, before) in self.zeros.iter_mut().zip(&self.differences) {
            let pull = if (*before < 0) == (difference < 0) { pull } else { -pull };
            *zero = limit(pull + scale(*zero, 32_640));
        }
        // DELAYA.
        self.values = [value, self.values[0]];
        self.partial = [partial, self.partial[0]];
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        // FILTEP, FILTEZ, PREDIC.
        let product = |(value, factor): (&i32, &i32)| scale(limit(value * 2), *factor);
        let by_poles = limit(self.values.iter().zip(&self.poles).map(product).sum());
        self.by_zeros = limit(self.differences.iter().zip(&self.zeros).map(product).sum());
        self.prediction = limit(by_poles + self.by_zeros);
    }
}
