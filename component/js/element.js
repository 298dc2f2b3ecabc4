// Follows wasm-bindgen's glue in the same module.
await __wbg_init();
