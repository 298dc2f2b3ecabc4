//! The `<soft-phone>` custom element.

pub mod listener;
pub mod notification;
pub mod request;
pub mod state;
pub mod strings;
pub mod tones;
pub mod view;
