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

/// Whether this processor has AVX2 and FMA; asked of it once.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
}
