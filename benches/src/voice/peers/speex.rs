//! SpeexDSP: its echo canceller with 250 ms, and its preprocessor for residual echo, noise and gain.
//!
//! Declared here because the binding on crates.io needs a generator of 2018; these nine functions have not changed
//! since. Both states are touched by whoever owns the [`Speex`] only.

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

use crate::voice::{Engine, Error, Stages};

/// How much of the room's answer it follows, seconds.
const TAIL: f32 = 0.25;

// `speex/speex_echo.h` and `speex/speex_preprocess.h`.
const ECHO_SET_SAMPLING_RATE: c_int = 24;
const SET_DENOISE: c_int = 0;
const SET_AGC: c_int = 2;
const SET_AGC_LEVEL: c_int = 6;
const SET_ECHO_STATE: c_int = 24;

/// RMS of speech at −23 dBFS in 16-bit steps.
const LEVEL: f32 = 2_320.0;

unsafe extern "C" {
    fn speex_echo_state_init(frame_size: c_int, filter_length: c_int) -> *mut c_void;
    fn speex_echo_state_destroy(state: *mut c_void);
    fn speex_echo_cancellation(state: *mut c_void, near: *const i16, far: *const i16, out: *mut i16);
    fn speex_echo_ctl(state: *mut c_void, request: c_int, value: *mut c_void) -> c_int;
    fn speex_preprocess_state_init(frame_size: c_int, sampling_rate: c_int) -> *mut c_void;
    fn speex_preprocess_state_destroy(state: *mut c_void);
    fn speex_preprocess_run(state: *mut c_void, samples: *mut i16) -> c_int;
    fn speex_preprocess_ctl(state: *mut c_void, request: c_int, value: *mut c_void) -> c_int;
}

/// Echo canceller and preprocessor of one microphone.
pub(super) struct Speex {
    echo: Option<NonNull<c_void>>,
    preprocessor: NonNull<c_void>,
    far: Vec<i16>,
    near: Vec<i16>,
    out: Vec<i16>,
}

impl Speex {
    /// At `rate` Hz.
    ///
    /// # Errors
    /// When the library has no memory.
    pub(super) fn new(rate: u32, stages: Stages) -> Result<Self, Error> {
        let frame = (rate / 100) as usize;
        let mut hertz = c_int::try_from(rate)?;
        let size = c_int::try_from(frame)?;
        let tail = (rate as f32 * TAIL) as c_int;
        let refused = || Error::from("SpeexDSP gives no state");
        // SAFETY: plain numbers; null is refused.
        let preprocessor = NonNull::new(unsafe { speex_preprocess_state_init(size, hertz) }).ok_or_else(refused)?;
        let silent = || vec![0; frame];
        let mut speex = Self { echo: None, preprocessor, far: silent(), near: silent(), out: silent() };
        if stages.echo {
            // SAFETY: plain numbers; null is refused.
            let echo = NonNull::new(unsafe { speex_echo_state_init(size, tail) }).ok_or_else(refused)?;
            speex.echo = Some(echo);
            // SAFETY: `echo` is live until `drop`; the request reads an int.
            unsafe { speex_echo_ctl(echo.as_ptr(), ECHO_SET_SAMPLING_RATE, ptr::from_mut(&mut hertz).cast()) };
            speex.control(SET_ECHO_STATE, echo.as_ptr());
        }
        let (mut noise, mut gain, mut level) = (c_int::from(stages.noise), c_int::from(stages.gain), LEVEL);
        speex.control(SET_DENOISE, ptr::from_mut(&mut noise).cast());
        speex.control(SET_AGC, ptr::from_mut(&mut gain).cast());
        speex.control(SET_AGC_LEVEL, ptr::from_mut(&mut level).cast());
        Ok(speex)
    }

    /// `value` points to what the request reads: an int, a float, or the echo canceller itself.
    fn control(&mut self, request: c_int, value: *mut c_void) {
        // SAFETY: the state is live until `drop`; the callers above give what each request reads.
        unsafe { speex_preprocess_ctl(self.preprocessor.as_ptr(), request, value) };
    }
}

impl Engine for Speex {
    fn render(&mut self, far: &[f32]) -> Result<(), Error> {
        steps(far, &mut self.far);
        Ok(())
    }

    fn capture(&mut self, near: &mut [f32]) -> Result<(), Error> {
        steps(near, &mut self.near);
        if let Some(echo) = self.echo {
            // SAFETY: the state is live, and each buffer is as long as the frame that it was made for.
            unsafe {
                speex_echo_cancellation(echo.as_ptr(), self.near.as_ptr(), self.far.as_ptr(), self.out.as_mut_ptr());
            }
        } else {
            self.out.copy_from_slice(&self.near);
        }
        // SAFETY: as above.
        unsafe { speex_preprocess_run(self.preprocessor.as_ptr(), self.out.as_mut_ptr()) };
        for (near, out) in near.iter_mut().zip(&self.out) {
            *near = f32::from(*out) / 32_768.0;
        }
        Ok(())
    }
}

impl Drop for Speex {
    fn drop(&mut self) {
        // SAFETY: both were made by the library and are given back once; the preprocessor, which knows the other, first.
        unsafe {
            speex_preprocess_state_destroy(self.preprocessor.as_ptr());
            if let Some(echo) = self.echo {
                speex_echo_state_destroy(echo.as_ptr());
            }
        }
    }
}

/// As 16-bit samples. What is longer than a frame would be cut; frames are 10 ms by the interface.
fn steps(from: &[f32], to: &mut [i16]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = (from * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    }
}
