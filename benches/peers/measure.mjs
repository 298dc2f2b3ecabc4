// Nanoseconds of one call, and the table of who needs how many for which message.

// Milliseconds of a batch: long for a coarse clock, short enough to fall between two turns of others on a busy machine.
const BATCH = 10;
const BATCHES = 30;

let sink;

function milliseconds(run, calls) {
  const start = performance.now();
  for (let call = 0; call < calls; call += 1) sink = run();
  return performance.now() - start;
}

/** The best of many batches: what a busy machine does least to. */
export function nanoseconds(run) {
  let calls = 1;
  while (milliseconds(run, calls) < BATCH) calls *= 2;
  const batches = Array.from({ length: BATCHES }, () => milliseconds(run, calls) / calls);
  return Math.min(...batches) * 1e6;
}

/** The text in one piece, as a socket needs it: an engine puts pieces together only when somebody looks. */
function flat(text) {
  text.charCodeAt(text.length - 1);
  return text;
}

function reads(parse, data) {
  try {
    return Boolean(parse(data));
  } catch {
    return false;
  }
}

/** For each message and contender `{parse, print}` in nanoseconds; null for who cannot read it. Responses are not printed. */
export function compare(contenders, messages) {
  const rows = {};
  for (const [message, data] of Object.entries(messages)) {
    rows[message] = {};
    for (const { name, parse, printer } of contenders) {
      rows[message][name] = null;
      if (!reads(parse, data)) continue;
      const parsed = nanoseconds(() => parse(data));
      const write = data.startsWith('SIP/') ? null : printer(data);
      rows[message][name] = { parse: parsed, print: write && nanoseconds(() => flat(write())) };
    }
  }
  return rows;
}

/** So that no engine can leave the work out. */
export const last = () => sink;
