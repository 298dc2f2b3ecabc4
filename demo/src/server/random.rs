//! Unguessable text: nonces, tags, branches, flow tokens.

use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// A cryptographic generator; its seed is all the entropy of a [`Core`](super::Core), so a test repeats exactly.
pub(super) struct Random(StdRng);

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Random {
        Random(StdRng::from_seed(seed))
    }

    /// 128 bits as 32 hexadecimal digits.
    pub(super) fn token(&mut self) -> String {
        let mut text = String::with_capacity(32);
        // Writing to a string cannot fail.
        let _ = write!(text, "{:016x}{:016x}", self.0.next_u64(), self.0.next_u64());
        text
    }

    /// 64 bits as 16 hexadecimal digits: twice what a tag needs (RFC 3261 §19.3).
    pub(super) fn tag(&mut self) -> String {
        format!("{:016x}", self.0.next_u64())
    }

    /// The branch of a `Via`, with the magic cookie (RFC 3261 §8.1.1.7).
    pub(super) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.tag())
    }
}
