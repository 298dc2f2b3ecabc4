// The three in a browser: ours is `benches/wasm`, with the texts going over into wasm and back as a page's do. The page
// that `cargo xtask peers` writes holds messages and wasm; the result is its text.

import * as jssip from './jssip.mjs';
import { compare } from './measure.mjs';
import * as sipjs from './sipjs.mjs';

const bytes = Uint8Array.from(atob(document.getElementById('wasm').textContent), (c) => c.charCodeAt(0));
const module = new WebAssembly.Module(bytes);
// wasm-bindgen's imports belong to code that is never called.
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
const { memory, sip_input: input, sip_read: read, sip_write: write, sip_output: output } = new WebAssembly.Instance(module, imports).exports;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function parse(data) {
  const place = input(data.length * 3);
  const { written } = encoder.encodeInto(data, new Uint8Array(memory.buffer, place, data.length * 3));
  return read(written) === 1;
}

function printer(data) {
  parse(data);
  return () => {
    const length = write();
    return decoder.decode(new Uint8Array(memory.buffer, output(), length));
  };
}

const messages = JSON.parse(document.getElementById('messages').textContent);
const rows = compare([{ name: 'ours', parse, printer }, jssip, sipjs], messages);
document.body.textContent = `RESULT${JSON.stringify(rows)}END`;
