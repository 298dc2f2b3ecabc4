//! Everything that must not be guessed, and everything that must differ between agents, out of one seed.

use sha2::{Digest, Sha256};

/// SHA-256 over the seed and a counter: no generator beside the hash that digest authentication brings anyway.
pub(super) struct Entropy {
    seed: [u8; 32],
    counter: u64,
}

/// Without the seed: who knows it knows every tag, branch and client nonce to come.
impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(…)")
    }
}

impl Entropy {
    pub(super) const fn new(seed: [u8; 32]) -> Self {
        Entropy { seed, counter: 0 }
    }

    /// 80 bits in hexadecimal digits, for a tag, a branch, a Call-ID, a client nonce.
    pub(super) fn token(&mut self) -> String {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(20);
        for byte in &self.block()[..10] {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        text
    }

    /// A number below `bound`, or zero when that is zero.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let block = self.block();
        let number = u32::from_le_bytes([block[0], block[1], block[2], block[3]]);
        number.checked_rem(bound).unwrap_or(0)
    }

    fn block(&mut self) -> [u8; 32] {
        self.counter += 1;
        Sha256::new().chain_update(self.seed).chain_update(self.counter.to_le_bytes()).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_sequence_without_repetition() {
        let (mut a, mut b, mut other) = (Entropy::new([1; 32]), Entropy::new([1; 32]), Entropy::new([2; 32]));
        let tokens: Vec<String> = (0..100).map(|_| a.token()).collect();
        assert!(tokens.iter().all(|token| token.len() == 20 && *token == b.token()));
        assert!((1..100).all(|n| !tokens[..n].contains(&tokens[n])));
        assert_ne!(other.token(), tokens[0]);
        assert!((0..100).all(|_| a.below(11) < 11));
        assert_eq!(a.below(0), 0);
        assert_eq!(format!("{a:?}"), "Entropy(…)");
    }
}
