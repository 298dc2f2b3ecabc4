// How fast JsSIP and SIP.js read and print messages in Node: JSON. `cargo xtask peers` bundles and runs it.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import * as jssip from './jssip.mjs';
import { compare } from './measure.mjs';
import * as sipjs from './sipjs.mjs';

const text = (file) => [basename(file, '.dat'), readFileSync(file, 'utf8')];
console.log(JSON.stringify(compare([jssip, sipjs], Object.fromEntries(process.argv.slice(2).map(text)))));
process.exit(0);
