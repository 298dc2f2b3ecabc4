//! RED (RFC 2198): a packet that holds copies of those before it.

use super::DecodeError;

/// A payload of RED, checked.
#[derive(Clone, Copy, Debug)]
pub struct Red<'a> {
    headers: &'a [u8],
    blocks: &'a [u8],
}

/// One of its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// What it holds, below 128.
    pub payload_type: u8,
    /// How far its timestamp lies before the packet's, 14 bits of the clock rate; 0 for the packet's own.
    pub offset: u32,
    /// Its payload. May be empty: a sender has nothing to repeat.
    pub payload: &'a [u8],
}

/// Bytes of the header of a copy; the one of the packet's own block is a single byte.
const HEADER: usize = 4;
/// Set in every header but the last.
const FOLLOWED: u8 = 0x80;

impl<'a> Red<'a> {
    /// Takes a payload apart.
    ///
    /// # Errors
    /// [`DecodeError::Empty`], or [`DecodeError::Length`] when headers or blocks end beyond the payload.
    pub fn parse(payload: &'a [u8]) -> Result<Red<'a>, DecodeError> {
        if payload.is_empty() {
            return Err(DecodeError::Empty);
        }
        let broken = DecodeError::Length { bytes: payload.len() };
        let (mut at, mut copies) = (0, 0);
        while payload.get(at).ok_or(broken)? & FOLLOWED != 0 {
            let header = payload.get(at..at + HEADER).ok_or(broken)?;
            copies += usize::from(header[2] & 3) << 8 | usize::from(header[3]);
            at += HEADER;
        }
        let (headers, blocks) = payload.split_at(at + 1);
        if copies > blocks.len() {
            return Err(broken);
        }
        Ok(Red { headers, blocks })
    }

    /// The blocks as they stand: copies first, the oldest as a rule at the front, the packet's own last.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let mut left = self.blocks;
        self.headers.chunks(HEADER).map(move |header| {
            let (offset, length) = match *header {
                [_, high, middle, low] => {
                    (u32::from(high) << 6 | u32::from(middle) >> 2, usize::from(middle & 3) << 8 | usize::from(low))
                }
                _ => (0, left.len()),
            };
            // As long as was checked.
            let (payload, rest) = left.split_at(length.min(left.len()));
            left = rest;
            Block { payload_type: header.first().map_or(0, |first| first & !FOLLOWED), offset, payload }
        })
    }

    /// The packet's own block.
    #[must_use]
    pub fn primary(&self) -> Block<'a> {
        let none = Block { payload_type: 0, offset: 0, payload: &[] };
        self.blocks().last().unwrap_or(none)
    }
}
