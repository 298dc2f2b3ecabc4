#![doc = include_str!("../README.md")]
// In the page's wasm, what formats with `{:?}` is cut out (xtask/src/panics.rs).
#![cfg_attr(not(test), warn(clippy::use_debug))]

pub mod agent;
pub mod call;
mod dialog;
pub mod dialog_info;
pub mod digest;
pub mod error;
pub mod event;
mod forks;
pub mod frame;
pub mod header;
pub mod instant;
pub mod message;
pub mod message_summary;
pub mod method;
pub mod parse;
pub mod presence;
pub mod reg_event;
mod registration;
mod scan;
pub mod sdp;
mod session;
mod table;
mod timer;
pub mod transaction;
pub mod uri;
pub mod value;
pub mod xml;

pub use agent::Saved;
pub use agent::{Agent, CallOptions, Config, Counters, Transport};
pub use call::{Body, Call, CallId, CallState, Cause, Direction, Facts, Remote};
pub use error::Error;
pub use event::{Event, PublicationId, QueryId, RegistrationState, SubscriptionId, SubscriptionState, TransferId};
pub use forks::Forks;
pub use header::Headers;
pub use instant::Instant;
pub use message::{Message, Request, Response, reason_phrase};
pub use method::Method;
pub use parse::{ParseError, parse};
pub use registration::Binding;
pub use transaction::{Flow, Timers, Transmit};
pub use uri::{NameAddr, Param, Uri};
pub use value::{CSeq, Challenge, Replaces, Via};
pub use xml::Applied;
