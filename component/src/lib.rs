//! The `<soft-phone>` custom element.

pub mod request;
pub mod state;
