// What is received, played by our own jitter buffer and decoders. Loaded when the first call needs it.
//
// Encoded frames always go on to the browser's own jitter buffer, which therefore can take over at once; a copy of each goes
// to the worklet while that is to play.

import { memory } from './ring.js';
import { open, rest } from './studio.js';

const PROCESSOR = 'soft-phone-receiver';
// A worklet reports ten times a second; one that is silent for twice this long is dead.
const SILENCE_MS = 1000;
// So many packets in that time, three times in a row, and no frame seen: something keeps them from us.
const UNSEEN = 10;
// `soft_phone_dsp::host::ReceiveFigure`.
const RECEIVED = 6;
// How long a call may wait for the worker.
const PATIENCE_MS = 2000;
// Whether worker and worklet may share memory.
const { crossOriginIsolated } = globalThis;
// Firefox brings messages to a worklet late now and then; what Chromium takes is seen by the buffer itself.
const LEAST_DELAY_MS = navigator.userAgent.includes('Firefox/') && !crossOriginIsolated ? 30 : 0;

const beside = (file) => new URL(file, import.meta.url);

const modules = new Map();

/** Compiles jitter buffer and decoders once: a worklet can fetch nothing, so it is handed a module. */
function compiled(file) {
  if (!modules.has(file)) {
    const load = async () => {
      const response = await fetch(beside(file));
      if (!response.ok) throw new Error(`${file}: ${response.status}`);
      return WebAssembly.compile(await response.arrayBuffer());
    };
    const loading = load();
    loading.catch(() => modules.delete(file));
    modules.set(file, loading);
  }
  return modules.get(file);
}

const ready = new WeakMap();

/** The context with the worklet in it. */
async function stage() {
  const studio = await open();
  const { audioWorklet } = studio.context;
  if (!ready.has(studio)) ready.set(studio, audioWorklet.addModule(beside('receiver.js')));
  try {
    await ready.get(studio);
  } catch (error) {
    ready.delete(studio);
    throw error;
  }
  return studio;
}

/**
 * The worker that all frames go through, once it runs: Chromium shows frames to no worker that is still being loaded when
 * their track comes. Trusted Types want a name for its address.
 */
function begin() {
  if (!isPossible()) throw new Error('this browser shows no encoded frames');
  const address = beside('rx-worker.js').href;
  const policy = globalThis.trustedTypes?.createPolicy('soft-phone-worker', { createScriptURL: (url) => url });
  const worker = new Worker(policy ? policy.createScriptURL(address) : address, { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onmessage = () => resolve(worker);
    worker.onerror = () => reject(new Error('rx-worker.js cannot be loaded'));
    // No call waits for longer.
    setTimeout(() => reject(new Error('rx-worker.js does not run')), PATIENCE_MS);
  });
}

const hasTransform = () => typeof RTCRtpScriptTransform === 'function';

/** Whether this browser lets encoded frames be seen, one way or the other. */
const isPossible = () => typeof AudioWorkletNode === 'function'
  && (hasTransform() || 'createEncodedStreams' in RTCRtpReceiver.prototype);

/** Sends all frames that are received through the worker, which is told by `port` where copies go. */
function show({ receiver, sender }, port) {
  if (hasTransform()) {
    receiver.transform = new RTCRtpScriptTransform(worker, { port }, [port]);
    return;
  }
  // Chromium before 141, on a connection that was made for it (`encodedInsertableStreams`): what is sent must go through,
  // too, or nothing is.
  for (const [end, ports] of [[receiver, [port]], [sender, []]]) {
    const { readable, writable } = end.createEncodedStreams();
    worker.postMessage({ readable, writable, port: ports[0] }, [readable, writable, ...ports]);
  }
}

const worker = await begin();

/** One stream on its way from the network to the loudspeaker. */
class Receive {
  #receiver;
  #native;
  #report;
  #tap;
  #studio;
  #node;
  #destination;
  #source;
  // Chromium feeds a remote stream to nothing unless an element holds it.
  #holder;
  #timer;
  #lastReport = 0;
  #missed = 0;
  #state;
  #wanted = false;

  // Packets that the browser had, and frames that were seen, at the last look; how often they grew apart.
  #packets = 0;
  #frames = 0;
  #seen = 0;
  #apart = 0;

  constructor(transceiver, native, report) {
    this.#receiver = transceiver.receiver;
    this.#native = native;
    this.#report = report;
    const { port1, port2 } = new MessageChannel();
    show(transceiver, port2);
    this.#tap = port1;
  }

  /** Plays by our own jitter buffer from now on; `opus`: the call may use it. What comes of it is reported. */
  async play(opus) {
    if (this.#wanted) return;
    this.#wanted = true;
    try {
      const [module, studio] = await Promise.all([compiled(opus ? 'receive-opus.wasm' : 'receive.wasm'), stage()]);
      if (this.#wanted && !this.#node) this.#begin(module, studio);
    } catch (error) {
      this.#fail(error.message);
    }
  }

  #begin(module, studio) {
    const { context, speaker, users } = studio;
    this.#studio = studio;
    const node = new AudioWorkletNode(context, PROCESSOR, {
      numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [1], channelCount: 1, channelCountMode: 'explicit',
      processorOptions: { module, leastDelay: LEAST_DELAY_MS },
    });
    this.#node = node;
    this.#destination = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    this.#holder = new Audio();
    this.#holder.muted = true;
    this.#holder.srcObject = this.#native;
    this.#source = new MediaStreamAudioSourceNode(context, { mediaStream: this.#native });
    this.#source.connect(node);
    node.connect(this.#destination);
    // What the loudspeaker plays, sample by sample, for the echo canceller.
    node.connect(speaker);
    node.port.onmessage = ({ data }) => this.#take(data);
    node.onprocessorerror = () => this.#fail('processor error');
    if (crossOriginIsolated) {
      const shared = { memory: memory() };
      this.#tap.postMessage(shared);
      node.port.postMessage(shared);
    } else {
      const { port1, port2 } = new MessageChannel();
      this.#tap.postMessage({ port: port1 }, [port1]);
      node.port.postMessage({ packets: port2 }, [port2]);
    }
    users.add(this);
    context.addEventListener('statechange', this.#look);
    context.resume().catch(() => {});
    this.#packets = this.#frames = this.#seen = this.#apart = 0;
    this.#timer = setInterval(() => this.#watch(), SILENCE_MS);
    this.#look();
  }

  /** Leaves it to the browser's jitter buffer. */
  stop() {
    this.#wanted = false;
    if (!this.#node) return;
    const { context, speaker, users } = this.#studio;
    clearInterval(this.#timer);
    context.removeEventListener('statechange', this.#look);
    this.#tap.postMessage({});
    this.#source.disconnect();
    this.#node.disconnect();
    this.#node.port.onmessage = this.#node.onprocessorerror = null;
    this.#node.port.postMessage('end');
    this.#node = this.#state = null;
    for (const track of this.#destination.stream.getTracks()) track.stop();
    this.#holder.srcObject = null;
    users.delete(this);
    rest(this.#studio);
  }

  /** After a gesture of the user. */
  resume() { this.#studio?.context.resume().catch(() => {}); }

  release() {
    this.stop();
    this.#tap.close();
  }

  // While the context does not run, the browser plays.
  #look = () => {
    if (!this.#node) return;
    this.#lastReport = performance.now();
    this.#missed = 0;
    if (this.#studio.context.state !== 'running' && this.#state === 'playing') this.#tell('waiting', 'the browser waits for a gesture');
  };

  #tell(state, detail) {
    if (this.#state === state) return;
    this.#state = state;
    this.#report(state, detail);
  }

  #take({ statistics, share, overload, playing, failed }) {
    if (failed !== undefined) return this.#fail(failed);
    this.#lastReport = performance.now();
    this.#missed = 0;
    if (overload) return this.#fail('audio falls behind the clock');
    if (statistics) {
      this.#frames = statistics[RECEIVED];
      this.#report('statistics', statistics, share);
    }
    if (playing && this.#studio.context.state === 'running') this.#tell('playing', this.#destination.stream);
  }

  // A worklet that hangs tells nothing, not even an error.
  #watch() {
    if (this.#studio.context.state !== 'running') return;
    this.#missed = performance.now() - this.#lastReport > SILENCE_MS ? this.#missed + 1 : 0;
    // Twice in a row: once may be a page that was busy itself, whose messages are still waiting.
    if (this.#missed === 2) this.#fail('the worklet is silent');
    else this.#compare();
  }

  // Packets come, and none of their frames to us.
  async #compare() {
    const node = this.#node;
    const statistics = [...(await this.#receiver.getStats()).values()].find(({ type }) => type === 'inbound-rtp');
    if (!statistics || node !== this.#node) return;
    const { packetsReceived } = statistics;
    const unseen = this.#frames === this.#seen && packetsReceived - this.#packets >= UNSEEN;
    this.#apart = unseen ? this.#apart + 1 : 0;
    this.#packets = packetsReceived;
    this.#seen = this.#frames;
    // The first look counts what came before there was anything to see them.
    if (this.#apart === 3) this.#fail('the browser shows no frames');
  }

  #fail(reason) {
    if (!this.#wanted) return;
    this.#report('failed', reason);
    this.stop();
  }
}

/**
 * Lets the frames of a transceiver's receiver be seen; to be called when its track comes, before the first packet.
 * @param {RTCRtpTransceiver} transceiver
 * @param {MediaStream} native what the browser plays of it
 * @param {(event: string, detail?: any, share?: number) => void} report `playing` with the stream to be heard instead,
 *   `waiting` and `failed` with a reason: the browser's own stream is to be heard; `statistics` with the figures and the share
 *   of real time
 * @returns {Receive} throws where the browser has no such thing
 */
export function attach(transceiver, native, report) {
  return new Receive(transceiver, native, report);
}
