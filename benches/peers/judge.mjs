// What JsSIP and SIP.js make of messages: a line of JSON for each file, in the manner of the `inspect` example.
// `cargo xtask peers` bundles and runs it.

import { readFileSync } from 'node:fs';

import * as jssip from './jssip.mjs';
import * as sipjs from './sipjs.mjs';

// Refusals that say nothing about the message (`tests/common/judge.rs`), and those of somebody else's number.
const NOT_SERVED = [403, 404, 405, 480, 481, 489, 501];

function verdict(data, { accepted, sent }) {
  if (data.startsWith('SIP/')) return { verdict: accepted ? 'accept' : 'ignore', status: null };
  const statuses = sent.map((message) => Number(/^SIP\/2\.0 (\d{3})/.exec(message)?.[1]));
  if (!statuses.length) return { verdict: 'ignore', status: null };
  const last = statuses.findLast((status) => status >= 200) ?? null;
  return { verdict: last >= 300 && !NOT_SERVED.includes(last) ? 'reject' : 'accept', status: last };
}

async function main() {
  // What they throw later, in a timer, is not an answer.
  process.on('uncaughtException', () => {});
  for (const file of process.argv.slice(2)) {
    // As a WebSocket's text frame would bring it.
    const data = readFileSync(file).toString('utf8');
    // They look whom a request is for: it is for them.
    const user = /^\S+ sips?:([\w.-]+)@/.exec(data)?.[1] ?? 'user';
    const line = { file };
    for (const peer of [jssip, sipjs]) {
      try {
        line[peer.name] = verdict(data, await peer.judge(data, user));
      } catch (error) {
        line[peer.name] = { verdict: 'throws', status: null, reason: String(error) };
      }
    }
    console.log(JSON.stringify(line));
  }
  process.exit(0);
}

main();
