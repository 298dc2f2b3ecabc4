//! Why a payload gives no samples.

use std::fmt;

/// What is wrong with a payload, or with the room for what it holds. The stream goes on with the next packet.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// It holds nothing.
    Empty,
    /// It does not end where a frame ends, or is longer than a packet may be.
    Length {
        /// Its bytes.
        bytes: usize,
    },
    /// It breaks the codec's own rules.
    Malformed,
    /// What it holds does not fit into the samples that were offered.
    Room {
        /// Samples that it decodes to.
        needed: usize,
        /// Samples that were offered.
        available: usize,
    },
    /// There is no copy of the packet before it in it.
    NoFec,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Empty => write!(f, "the payload is empty"),
            DecodeError::Length { bytes } => write!(f, "a payload of {bytes} bytes is no whole number of frames"),
            DecodeError::Malformed => write!(f, "the payload breaks the codec's rules"),
            DecodeError::Room { needed, available } => {
                write!(f, "{needed} samples do not fit where {available} do")
            }
            DecodeError::NoFec => write!(f, "the payload has no copy of the packet before it"),
        }
    }
}

impl std::error::Error for DecodeError {}
