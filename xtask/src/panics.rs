//! Takes out of the page's wasm what Rust's panics say before they trap: in a browser nobody hears it.
//!
//! Without a panic hook the message goes to a standard error that wasm does not have, and then the module traps. Here
//! it traps at once, which lets `wasm-opt` drop each message's making. A nightly compiler's `panic=immediate-abort`
//! does the same; this works on the stable one, by the functions' names.

use std::collections::HashSet;

use anyhow::{Result, bail};
use walrus::ir::{Instr, InstrLocId, Unreachable, VisitorMut, dfs_pre_order_mut};
use walrus::{Function, FunctionId, LocalFunction, Module};

/// What the standard library calls and what never returns; whatever lies inside of the first one too.
const PANICS: [&str; 14] = [
    "core::panicking::",
    "core::cell::panic_already_borrowed",
    "core::cell::panic_already_mutably_borrowed",
    "core::cell::lazy::panic_poisoned",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
    "core::slice::index::slice_index_fail",
    "core::slice::copy_from_slice_impl::len_mismatch_fail",
    "core::str::slice_error_fail",
    "alloc::alloc::handle_alloc_error",
    "alloc::raw_vec::capacity_overflow",
    "alloc::raw_vec::handle_error",
    "std::thread::local::panic_access_error",
];

/// What panics within a method, of a vector for one, of whose types the name begins.
const ASSERTION: &str = "::assert_failed";

/// What only messages of panics call: nothing in the page's crates formats with `{:?}`. The functions stand in tables
/// of pointers, so that no call of them could be found and taken out.
const DEBUG: &str = " as core::fmt::Debug>::fmt";

/// Replaces every call of a function of [`PANICS`], and what [`DEBUG`] functions do, by a trap.
///
/// # Errors
/// When there is no such function: the names are gone, or Rust has others now.
pub fn silence(module: &mut Module) -> Result<()> {
    let panics: HashSet<_> = module
        .funcs
        .iter()
        .filter(|function| function.name.as_deref().is_some_and(is_panic))
        .map(Function::id)
        .collect();
    if panics.is_empty() {
        bail!("the wasm has no function whose name starts with `{}`: teach xtask the new names", PANICS[0]);
    }
    let debug: HashSet<_> = module
        .funcs
        .iter()
        .filter(|function| function.name.as_deref().is_some_and(|name| plain(name).contains(DEBUG)))
        .map(Function::id)
        .collect();
    for (id, function) in module.funcs.iter_local_mut() {
        if debug.contains(&id) {
            trap(function);
            continue;
        }
        let entry = function.entry_block();
        dfs_pre_order_mut(&mut Silence(&panics), function, entry);
    }
    Ok(())
}

/// Leaves one instruction of a function: the trap.
fn trap(function: &mut LocalFunction) {
    let entry = function.entry_block();
    function.block_mut(entry).instrs = vec![(Unreachable {}.into(), InstrLocId::default())];
}

struct Silence<'a>(&'a HashSet<FunctionId>);

impl VisitorMut for Silence<'_> {
    fn visit_instr_mut(&mut self, instruction: &mut Instr, _: &mut InstrLocId) {
        if matches!(instruction, Instr::Call(call) if self.0.contains(&call.func)) {
            *instruction = Unreachable {}.into();
        }
    }
}

/// Whether a function's name is one of [`PANICS`].
fn is_panic(name: &str) -> bool {
    let plain = plain(name);
    PANICS.iter().any(|panic| plain.starts_with(panic)) || plain.ends_with(ASSERTION)
}

/// A demangled name without the crates' hashes: `core::panicking::panic_fmt` for
/// `core[c5930c85a12de822]::panicking::panic_fmt`.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    let mut rest = name;
    while let Some((before, hash)) = rest.split_once('[') {
        plain.push_str(before);
        rest = hash.split_once(']').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::{DEBUG, is_panic, plain};

    #[test]
    fn panics_are_known_by_name_in_both_manglings() {
        assert!(is_panic("core[c5930c85a12de822]::panicking::panic_fmt"));
        assert!(is_panic("core::panicking::panic_const::panic_const_div_by_zero::h0123456789abcdef"));
        assert!(is_panic("<alloc[0f4b]::vec::Vec<_, _>>::remove::assert_failed"));
        assert!(!is_panic("std[a543996e6e7dbf1e]::panicking::panic_count::increase"));
        assert!(!is_panic("soft_phone_sip::agent::register::registration_failed"));
    }
    #[test]
    fn what_writes_for_developers_is_known_by_its_trait() {
        assert!(plain("<str as core[c5930c85a12de822]::fmt::Debug>::fmt").contains(DEBUG));
        assert!(!plain("<str as core[c5930c85a12de822]::fmt::Display>::fmt").contains(DEBUG));
    }
}
