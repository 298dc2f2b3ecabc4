#![doc = include_str!("../README.md")]
// In the page's wasm, what formats with `{:?}` is cut out (xtask/src/panics.rs).
#![cfg_attr(not(test), warn(clippy::use_debug))]

pub mod account;
pub mod call;
pub mod clock;
pub mod diagnostics;
pub mod driver;
pub mod element;
pub mod failure;
pub mod handover;
pub mod instance;
pub mod js;
pub mod listener;
pub mod media;
pub mod mirror;
pub mod names;
pub mod notification;
pub mod number;
pub mod record;
pub mod request;
pub mod socket;
pub mod state;
pub mod strings;
pub mod tones;
pub mod view;
pub mod xml;

/// Memory comes in small pieces and few of them: what counts is the allocator's own size, which every visitor downloads.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();
