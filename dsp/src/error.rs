//! What can be wrong with a configuration or a frame.

use std::fmt;

/// Why a call was refused. Nothing that samples hold is an error: those are made harmless.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// The rate is none of [`SAMPLE_RATES`](crate::SAMPLE_RATES).
    SampleRate {
        /// What was asked for, Hz.
        rate: u32,
    },
    /// A frame is not 10 ms long.
    FrameLength {
        /// Samples in 10 ms.
        expected: usize,
        /// Samples that came.
        actual: usize,
    },
    /// The blocks given to a [`FrameAdapter`](crate::FrameAdapter) are not equally long.
    BlockLength {
        /// Samples of the far end.
        far: usize,
        /// Samples of the near end.
        near: usize,
        /// Room for output.
        out: usize,
    },
    /// A value of the configuration is out of range.
    Config {
        /// Its name, as in the serialised form.
        field: &'static str,
        /// What was asked for.
        value: f32,
        /// The smallest and the largest value that are taken.
        range: (f32, f32),
    },
    /// The neural engine is asked for and there is no network for it.
    Network,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::SampleRate { rate } => {
                write!(f, "{rate} Hz is not supported: {:?} are", crate::SAMPLE_RATES)
            }
            Error::FrameLength { expected, actual } => {
                write!(f, "a frame of 10 ms has {expected} samples, not {actual}")
            }
            Error::BlockLength { far, near, out } => {
                write!(
                    f,
                    "blocks differ in length: {far} samples of the far end, {near} of the near end, room for {out}"
                )
            }
            Error::Config { field, value, range: (low, high) } => {
                write!(f, "{field} = {value} is not between {low} and {high}")
            }
            Error::Network => write!(f, "the neural engine has no network"),
        }
    }
}

impl std::error::Error for Error {}
