//! Exponential and logarithm to base 2, good to about 1e-5 and without a branch, so that a loop over bins vectorises.

/// 1.5 · 2²³: added to a small float, it leaves the nearest integer in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// 2ˣ with a relative error below 4e-6; `x` is clamped to ±126, so the result is a normal number.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    let x = x.clamp(-126.0, 126.0);
    let shifted = x + ROUND;
    let whole = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let rest = x - (shifted - ROUND);
    // Taylor series of exp(rest · ln 2), |rest| ≤ 1/2.
    let power = 1.0
        + rest
            * (std::f32::consts::LN_2
                + rest * (0.240_226_5 + rest * (0.055_504_11 + rest * (0.009_618_129 + rest * 0.001_339_887))));
    f32::from_bits(power.to_bits().wrapping_add(whole << 23))
}

/// log₂ of a positive normal number, absolute error below 2e-5.
#[inline(always)]
pub fn log2(x: f32) -> f32 {
    // Mantissa in [√½, √2), so that the series runs around 1.
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits as i32 >> 23) as f32;
    let mantissa = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    // log₂ m = 2/ln 2 · artanh t, t = (m − 1)/(m + 1), |t| ≤ 0.172.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    exponent + t * (2.0 * std::f32::consts::LOG2_E + square * (0.961_796_7 + square * 0.577_078))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_close_everywhere() {
        let mut x = -125.9_f32;
        while x < 125.9 {
            let exact = f64::from(x).exp2();
            assert!((f64::from(exp2(x)) / exact - 1.0).abs() < 4e-6, "{x}");
            x += 0.037;
        }
        assert!(exp2(f32::NEG_INFINITY).is_normal() && exp2(f32::INFINITY).is_normal());
    }

    #[test]
    fn logarithm_is_close_everywhere() {
        let mut x = f32::MIN_POSITIVE;
        while x < f32::MAX / 2.0 {
            assert!((f64::from(log2(x)) - f64::from(x).log2()).abs() < 2e-5, "{x}");
            x *= 1.013;
        }
    }
}
