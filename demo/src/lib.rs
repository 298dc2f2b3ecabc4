#![doc = include_str!("../README.md")]

mod allowance;
mod connection;
mod crm;
mod driver;
pub mod echo;
mod error;
mod http;
mod options;
mod running;
pub mod server;

pub use error::Error;
pub use options::{Agent, DEFAULT_PORT, Options, User};
pub use running::{Running, start};
