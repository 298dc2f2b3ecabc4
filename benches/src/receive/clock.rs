//! The time that another's code sees. `neteq` asks the system for the time at which a packet arrives; here a trace says it,
//! and hours pass in seconds.
//!
//! `std::time::Instant` reads `clock_gettime`, and the one of the program goes before the C library's. It answers with a
//! time of this thread's while [`at`] runs, and otherwise with the system's.

use std::cell::Cell;
use std::ffi::{c_int, c_long};

/// Not 0: nothing may be before the beginning of the clock.
const BEGIN_S: i64 = 1_000;

thread_local! {
    static NOW_NS: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Runs something at so many ms.
pub(super) fn at<T>(ms: f64, run: impl FnOnce() -> T) -> T {
    NOW_NS.set(Some((ms * 1e6) as i64));
    let done = run();
    NOW_NS.set(None);
    done
}

/// As `struct timespec` is on 64-bit systems.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: c_long,
}

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

/// `SYS_clock_gettime`.
#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;

/// # Safety
/// `time` is null or can be written to, as for the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    match NOW_NS.get() {
        Some(now) if !time.is_null() => {
            let told =
                Timespec { seconds: BEGIN_S + now / 1_000_000_000, nanoseconds: (now % 1_000_000_000) as c_long };
            // SAFETY: the caller's promise.
            unsafe { time.write(told) };
            0
        }
        // SAFETY: the arguments of the system call are those of the function.
        _ => unsafe { syscall(CLOCK_GETTIME, clock, time) as c_int },
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn time_is_what_it_is_told_and_the_system_s_otherwise() {
        let (first, later) = (at(5.0, Instant::now), at(1_005.0, Instant::now));
        assert_eq!(later - first, Duration::from_secs(1));
        let real = Instant::now();
        std::thread::yield_now();
        assert!(real.elapsed() < Duration::from_secs(60));
    }
}
