#![doc = include_str!("../README.md")]

pub mod digest;
pub mod error;
pub mod frame;
pub mod header;
pub mod message;
pub mod method;
pub mod parse;
pub mod uri;
pub mod value;

pub use error::Error;
pub use header::Headers;
pub use message::{Message, Request, Response, reason_phrase};
pub use method::Method;
pub use parse::{ParseError, parse};
pub use uri::{NameAddr, Param, Uri};
pub use value::{CSeq, Challenge, Via};
