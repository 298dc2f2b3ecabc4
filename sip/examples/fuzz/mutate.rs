//! Makes broken input out of fixtures: splices, flips, tokens, cuts, repetitions. Deterministic: a case is a function of
//! corpus, seed and number.

use crate::corpus::{Corpus, Fixtures, Pieces};

/// Longest input, in bytes: a little more than the parser's own bound.
const MAX_LEN: usize = 70_000;

/// What breaks parsers, and what gets past their first checks.
const TOKENS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\r\n ",
    "\r\n\t",
    "\0",
    "\u{7f}",
    " ",
    "\t",
    ":",
    ";",
    ";;",
    ",",
    ",,",
    "<",
    ">",
    "\"",
    "\\\"",
    "\\",
    "@",
    "=",
    "?",
    "&",
    "/",
    "%",
    "%00",
    "%0d%0a",
    "%ff",
    "%4",
    "[",
    "]",
    "[::1]",
    "[2001:db8:::1]",
    "(",
    ")",
    "((((((((",
    "*",
    "-1",
    "0",
    "255",
    "256",
    "2147483647",
    "2147483648",
    "4294967296",
    "18446744073709551616",
    "00000000000000000000000000000001",
    "sip:",
    "sips:",
    "tel:+1",
    "SIP/2.0",
    "SIP/7.0",
    "INVITE",
    "ACK",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "Via: ",
    "v: ",
    "From: ",
    "To:",
    "f : ",
    "t: ",
    "Call-ID: ",
    "i:",
    "CSeq: ",
    "Content-Length: ",
    "l:",
    "Max-Forwards: ",
    "Contact: ",
    "Contact: *",
    "m: ",
    "Route: ",
    "Record-Route: <sip:p;lr>",
    "Authorization: Digest ",
    "WWW-Authenticate: Digest ",
    "realm=\"",
    "nonce=\"n\"",
    "qop=\"auth,auth-int\"",
    "algorithm=SHA-256",
    "algorithm=MD5-sess",
    "stale=true",
    "username=\"",
    "response=\"",
    ";tag=",
    ";branch=z9hG4bK",
    ";lr",
    ";received=",
    "v=0\r\n",
    "m=audio 0 RTP/AVP 0\r\n",
    "a=",
    "a=inactive\r\n",
    "a=candidate:",
    "</",
    "/>",
    "<a>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?xml ",
    "<!DOCTYPE x [<!ENTITY y \"zzzz\">]>",
    "&amp;",
    "&#0;",
    "&#x1F980;",
    "&y;",
    " xmlns=\"\"",
    " id=\"1\"",
    " version=\"4294967295\"",
    " state=\"partial\"",
    "Messages-Waiting: yes\r\n",
    "Voice-Message: 4/8 (1/2)\r\n",
    "qop=\"auth-int\"",
    "algorithm=SHA-512-256",
    "userhash=true",
    "é",
    "жук",
    "\u{fffd}",
    "\u{feff}",
    "🦀",
    "\u{85}",
    "\u{2028}",
];

/// A small generator of numbers (xorshift64*, Vigna 2016): enough to spread cases, fast, the same everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64, case: u64) -> Random {
        // SplitMix64's mixing, so that neighbouring cases have nothing in common.
        let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ case.wrapping_add(1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Random((z ^ (z >> 31)) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Below `bound`; 0 for a bound of 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Fixtures and what to do to them.
pub struct Mutator(Fixtures);

impl Mutator {
    /// # Errors
    /// As [`Fixtures::read`].
    pub fn new() -> Result<Mutator, String> {
        Ok(Mutator(Fixtures::read()?))
    }

    /// Puts case `case` of `seed` into `out`, made of fixtures of `corpus`.
    pub fn make(&self, corpus: Corpus, seed: u64, case: u64, out: &mut Vec<u8>) {
        let pieces = self.0.of(corpus);
        let mut random = Random::new(seed, case);
        out.clear();
        out.extend_from_slice(&pieces.wholes[random.below(pieces.wholes.len())]);
        // One change finds what is near a legal message, many find what is far from one; none is the same each time.
        let changes = match random.below(32) {
            0 => 0,
            1..=19 => 1,
            20..=27 => 2 + random.below(4),
            _ => 2 + random.below(30),
        };
        for _ in 0..changes {
            pieces.change(&mut random, out);
            out.truncate(MAX_LEN);
        }
    }
}

impl Pieces {
    fn change(&self, random: &mut Random, out: &mut Vec<u8>) {
        let at = random.below(out.len() + 1);
        match random.below(14) {
            0 => flip(random, out, at),
            1 => set(random, out, at),
            2..=4 => insert(out, at, TOKENS[random.below(TOKENS.len())].as_bytes()),
            5 => {
                let token = TOKENS[random.below(TOKENS.len())].as_bytes();
                let end = (at + token.len()).min(out.len());
                out.splice(at..end, token.iter().copied());
            }
            6 => {
                let end = (at + random.below(40)).min(out.len());
                out.drain(at..end);
            }
            7 => out.truncate(at),
            8 => repeat(random, out, at),
            9 | 10 => {
                // A line of another message: legal words in the wrong place.
                let line = self.line(random).to_vec();
                let place = line_start(out, at);
                insert(out, place, &line);
            }
            11 => {
                let other = &self.wholes[random.below(self.wholes.len())];
                let from = random.below(other.len());
                let length = random.below(other.len() - from);
                insert(out, at, &other[from..from + length]);
            }
            12 => {
                // The head of one message, the tail of another.
                let other = &self.wholes[random.below(self.wholes.len())];
                let from = random.below(other.len());
                out.truncate(at);
                out.extend_from_slice(&other[from..]);
            }
            _ => {
                let start = line_start(out, at);
                let end = out[start..].iter().position(|byte| *byte == b'\n').map_or(out.len(), |n| start + n + 1);
                out.drain(start..end);
            }
        }
    }

    fn line(&self, random: &mut Random) -> &[u8] {
        let whole = random.below(self.wholes.len());
        let starts = &self.lines[whole];
        let line = random.below(starts.len());
        let end = starts.get(line + 1).copied().unwrap_or(self.wholes[whole].len());
        &self.wholes[whole][starts[line]..end]
    }
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

fn insert(out: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    out.splice(at..at, bytes.iter().copied());
}

fn flip(random: &mut Random, out: &mut [u8], at: usize) {
    if let Some(byte) = out.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn set(random: &mut Random, out: &mut [u8], at: usize) {
    if let Some(byte) = out.get_mut(at) {
        *byte = random.next() as u8;
    }
}

/// Few bytes many times: long lines, many headers, deep nesting.
fn repeat(random: &mut Random, out: &mut Vec<u8>, at: usize) {
    let at = if random.below(2) == 0 { line_start(out, at) } else { at };
    let longest = if random.below(4) == 0 { 120 } else { 4 };
    let piece = out[at..(at + 1 + random.below(longest)).min(out.len())].to_vec();
    let most = if random.below(16) == 0 { 20_000 } else { 64 };
    let count = random.below(most).min(MAX_LEN / piece.len().max(1));
    insert(out, at, &piece.repeat(count));
}
