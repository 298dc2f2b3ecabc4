// The one audio context of the page, and the bus of all that the loudspeaker plays: what the voice engine and the receive
// path share.

// What both run at; a device of another rate is resampled by the browser.
const RATES = [8000, 16000, 32000, 44100, 48000];

function makeContext() {
  const context = new AudioContext();
  if (RATES.includes(context.sampleRate)) return context;
  context.close().catch(() => {});
  return new AudioContext({ sampleRate: 48000 });
}

let studio;

/**
 * The context, made with its first use.
 * @returns {Promise<{context: AudioContext, speaker: GainNode, users: Set}>} rejected where there is no Web Audio
 */
export async function open() {
  if (studio && studio.context.state !== 'closed') return studio;
  const context = makeContext();
  const speaker = new GainNode(context, { channelCount: 1, channelCountMode: 'explicit' });
  studio = { context, speaker, users: new Set() };
  rest(studio);
  return studio;
}

/** A context that nobody uses must not keep the sound card awake. */
export function rest({ context, users }) {
  if (users.size === 0) context.suspend().catch(() => {});
}
