//! The SIP parser and printer alone, behind a plain C ABI: `benches/peers/page.mjs` times them in a browser.
//!
//! The host writes a message to [`sip_input`], calls [`sip_read`], then [`sip_write`] any number of times and finds the
//! text at [`sip_output`].

use std::cell::RefCell;

use soft_phone_sip::{Message, parse};

#[derive(Default)]
struct State {
    input: Vec<u8>,
    message: Option<Message>,
    output: Vec<u8>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Where the host writes a message of at most `length` bytes.
#[unsafe(no_mangle)]
pub extern "C" fn sip_input(length: usize) -> *mut u8 {
    STATE.with_borrow_mut(|state| {
        state.input.resize(length.max(state.input.len()), 0);
        state.input.as_mut_ptr()
    })
}

/// Reads the message of `length` bytes: 1 when it is one, 0 when not.
#[unsafe(no_mangle)]
pub extern "C" fn sip_read(length: usize) -> u32 {
    STATE.with_borrow_mut(|state| {
        state.message = state.input.get(..length).and_then(|bytes| parse(bytes).ok());
        u32::from(state.message.is_some())
    })
}

/// Writes the message that was read last; the length of its text, 0 without one.
#[unsafe(no_mangle)]
pub extern "C" fn sip_write() -> usize {
    STATE.with_borrow_mut(|state| {
        state.output = state.message.as_ref().map(Message::to_bytes).unwrap_or_default();
        state.output.len()
    })
}

/// Where the text stands, until the next [`sip_write`].
#[unsafe(no_mangle)]
pub extern "C" fn sip_output() -> *const u8 {
    STATE.with_borrow(|state| state.output.as_ptr())
}
