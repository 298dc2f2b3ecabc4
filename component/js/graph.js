// The voice engine between microphone and uplink: one audio context for the page, one worklet node for each microphone.
// Loaded when the first call needs it: it is no part of what a page downloads to be ready for calls.

import { open, rest } from './studio.js';

const PROCESSOR = 'soft-phone-processor';
// The engine for browsers with SIMD, and the one for those without.
const ENGINES = ['engine.wasm', 'engine-scalar.wasm'];
// The stage of the neural engine, see `host.rs`, and its weights: 277 kB, loaded when it is asked for.
const NEURAL = 1 << 6;
const NETWORK = 'suppressor.bin';
// How long the browser may take to let a new context run. After that it waits for the user, and the call does not.
const PATIENCE_MS = 1000;
// A worklet reports ten times a second; one that is silent for twice this long is dead.
const SILENCE_MS = 1000;
// Share of a second that the browser had no sound to play for want of time.
const UNDERRUN_SHARE = 0.03;

const beside = (file) => new URL(file, import.meta.url);

/** Compiles the first engine that this browser can run: a worklet can fetch nothing, so it is handed a module. */
async function engine() {
  let refused;
  for (const file of ENGINES) {
    const response = await fetch(beside(file));
    if (!response.ok) throw new Error(`${file}: ${response.status}`);
    try {
      return await WebAssembly.compile(await response.arrayBuffer());
    } catch (error) {
      refused = error;
    }
  }
  throw refused;
}

let loadingNetwork;

/** The weights of the neural engine. */
function network() {
  loadingNetwork ??= fetch(beside(NETWORK)).then((response) => {
    if (!response.ok) throw new Error(`${NETWORK}: ${response.status}`);
    return response.arrayBuffer();
  });
  return loadingNetwork;
}

/** The context with the processor in it, and the engine. */
async function load() {
  const studio = await open();
  const [module] = await Promise.all([engine(), studio.context.audioWorklet.addModule(beside('processor.js'))]);
  return { studio, module };
}

let loading;

/** Loads everything ahead of the first call, as far as it is not there yet. */
export function prepare() {
  loading ??= load().then((loaded) => {
    // A browser may close it, as it does when its sound service ends: the next call has a new one.
    loaded.studio.context.addEventListener('statechange', () => { if (loaded.studio.context.state === 'closed') loading = undefined; });
    return loaded;
  }, (error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

/** Loads what buffers and conceals what is received. */
export const receive = () => import('./receive.js');

/** One microphone on its way through the engine. */
class Graph {
  #studio;
  #report;
  #node;
  #destination;
  #source;
  #heard = new Map();
  #timer;
  #lastReport = 0;
  #missed = 0;
  #underrun = null;
  #underruns = [];
  #state;
  #started = false;
  #stages;
  #learning = false;

  constructor(studio, module, microphone, stages, report) {
    const { context } = studio;
    this.#studio = studio;
    this.#report = report;
    this.#node = new AudioWorkletNode(context, PROCESSOR, {
      numberOfInputs: 2, numberOfOutputs: 1, outputChannelCount: [1], channelCount: 1, channelCountMode: 'explicit',
      processorOptions: { module, stages },
    });
    this.#destination = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    this.use(microphone);
    this.#node.port.onmessage = ({ data }) => this.#take(data);
    this.#node.onprocessorerror = () => this.#fail('processor error');
    this.#node.connect(this.#destination);
    studio.speaker.connect(this.#node, 0, 1);
    studio.users.add(this);
    context.addEventListener('statechange', this.#look);
    context.resume().catch(() => {});
    this.#learn(stages);
  }

  /** From now on it tells how it does. */
  start() {
    this.#timer = setInterval(() => this.#watch(), SILENCE_MS);
    this.#started = true;
    if (this.#studio.context.state === 'running') this.#look();
    else setTimeout(this.#look, PATIENCE_MS);
  }

  /** What is to be sent. */
  get stream() { return this.#destination.stream; }

  /** Listens to another microphone; throws where the browser cannot bring it to this context. */
  use(microphone) {
    const source = new MediaStreamAudioSourceNode(this.#studio.context, { mediaStream: microphone });
    source.connect(this.#node, 0, 0);
    this.#source?.disconnect();
    this.#source = source;
  }

  /** The loudspeaker plays this stream, too, which is to be told from what is said into the microphone. */
  hear(stream) {
    if (this.#heard.has(stream)) return;
    const source = new MediaStreamAudioSourceNode(this.#studio.context, { mediaStream: stream });
    source.connect(this.#studio.speaker);
    this.#heard.set(stream, source);
  }

  /** The loudspeaker plays this stream no more. */
  deafen(stream) {
    this.#heard.get(stream)?.disconnect();
    this.#heard.delete(stream);
  }

  configure(stages) {
    this.#node?.port.postMessage({ stages });
    this.#learn(stages);
  }

  // Until the weights are there, and without them, noise is suppressed by the spectral engine.
  async #learn(stages) {
    if (stages !== this.#stages) this.#underruns = [];
    this.#stages = stages;
    if (!(stages & NEURAL) || this.#learning) return;
    this.#learning = true;
    try {
      const file = await network();
      this.#node?.port.postMessage({ network: file });
    } catch (error) {
      this.#lack(error.message);
    }
  }

  // Asked for anew, it is loaded anew.
  #lack(reason) {
    loadingNetwork = undefined;
    this.#learning = false;
    if (this.#node) this.#report('lacks', reason);
  }

  /** After a gesture of the user. */
  resume() { this.#studio.context.resume().catch(() => {}); }

  release() {
    if (!this.#node) return;
    const { context, speaker, users } = this.#studio;
    clearInterval(this.#timer);
    context.removeEventListener('statechange', this.#look);
    this.#source.disconnect();
    for (const source of this.#heard.values()) source.disconnect();
    speaker.disconnect(this.#node);
    this.#node.disconnect();
    this.#node.port.onmessage = this.#node.onprocessorerror = null;
    this.#node.port.postMessage('end');
    this.#node = null;
    for (const track of this.stream.getTracks()) track.stop();
    users.delete(this);
    rest(this.#studio);
  }

  // Tells when the context begins to run, and when it does not.
  #look = () => {
    if (!this.#node || !this.#started) return;
    const state = this.#studio.context.state === 'running' ? 'running' : 'blocked';
    if (state === this.#state) return;
    this.#state = state;
    this.#lastReport = performance.now();
    this.#missed = 0;
    this.#report(state);
  };

  #take({ statistics, share, overload, stages, failed, lacks }) {
    if (failed !== undefined) return this.#fail(failed);
    if (lacks !== undefined) return this.#lack(lacks);
    if (share === undefined) return;
    this.#lastReport = performance.now();
    this.#missed = 0;
    if (statistics) this.#report('statistics', statistics, share);
    // What was late with other stages is being taken care of.
    if (stages !== this.#stages) return;
    if (overload) this.#report('overload', 'audio falls behind the clock');
    else if (this.#lacks()) this.#report('overload', 'the browser ran out of sound');
  }

  // Chromium counts what it could not play. A single hiccup is none of ours: most of the last second's looks count.
  #lacks() {
    const { playbackStats } = this.#studio.context;
    const lost = playbackStats?.underrunDuration;
    if (typeof lost !== 'number') return false;
    this.#underruns.push(lost - (this.#underrun ?? lost));
    this.#underrun = lost;
    if (this.#underruns.length < 10) return false;
    const last = this.#underruns.splice(0, 10);
    return last.reduce((sum, step) => sum + step) > UNDERRUN_SHARE && last.filter((step) => step > 0).length >= 3;
  }

  // A worklet that hangs tells nothing, not even an error.
  #watch() {
    if (this.#state !== 'running') return;
    this.#missed = performance.now() - this.#lastReport > SILENCE_MS ? this.#missed + 1 : 0;
    // Twice in a row: once may be a page that was busy itself, whose messages are still waiting.
    if (this.#missed === 2) this.#fail('the worklet is silent');
  }

  #fail(reason) {
    if (this.#node) this.#report('failed', reason);
  }
}

/**
 * Leads a microphone through the engine.
 * @param {MediaStream} microphone
 * @param {number} stages which are switched on, see `engine_configure`
 * @param {(event: string, detail?: any, share?: number) => void} report `running`, `blocked` (the browser waits for the
 *   user), `statistics` with the engine's figures and the share of real time, `overload`, `failed` and `lacks` (there is no
 *   neural engine) with a reason
 * @returns {Promise<Graph>} rejected where any part of it cannot be had
 */
export async function attach(microphone, stages, report) {
  const { studio, module } = await prepare();
  return new Graph(studio, module, microphone, stages, report);
}
