//! One kernel, compiled for the widest vectors that the machine has.
//!
//! Natively each kernel exists twice: for the baseline of the target (SSE2 on x86-64) and for AVX2 with FMA, picked at
//! run time. In wasm there is nothing to pick: SIMD128 is in the module or it is not.

/// Defines functions whose loops the compiler vectorises, each once for the baseline and once for AVX2.
///
/// The body must be a plain loop over slices; it is inlined into both.
macro_rules! kernels {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "split spectra are two slices each")]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "split spectra are two slices each")]
            fn body($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "split spectra are two slices each")]
                fn wide($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                if $crate::simd::has_avx2() {
                    // SAFETY: the processor has the features, as was just asked.
                    return unsafe { wide($($arg),*) };
                }
            }
            body($($arg),*)
        }
    )*};
}
pub(crate) use kernels;

kernels! {
    /// Sum of the products of two signals, as long as the shorter.
    pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0_f32; LANES];
        let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
        for (a, b) in a.zip(b) {
            for k in 0..LANES {
                sums[k] += a[k] * b[k];
            }
        }
        sums.iter().sum::<f32>() + rest
    }

    /// Largest magnitude of finite samples; 0 of none.
    pub(crate) fn peak(samples: &[f32]) -> f32 {
        let mut peaks = [0.0_f32; LANES];
        let samples = samples.chunks_exact(LANES);
        let rest = samples.remainder().iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        for samples in samples {
            for k in 0..LANES {
                peaks[k] = if samples[k].abs() > peaks[k] { samples[k].abs() } else { peaks[k] };
            }
        }
        peaks.iter().fold(rest, |peak, of| peak.max(*of))
    }
}

/// Sum of the squares.
pub(crate) fn energy(samples: &[f32]) -> f32 {
    dot(samples, samples)
}

/// Values that a kernel which sums keeps apart, so that no addition waits for the one before.
const LANES: usize = 16;

/// Whether this processor has AVX2 and FMA; asked of it once.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
}
