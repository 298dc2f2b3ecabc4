// The microphone's level, measured by the voice engine in an audio worklet. Loaded when the first call is answered:
// it is no part of what a page downloads to be ready for calls.

const PROCESSOR = 'soft-phone-processor';
// The engine for browsers with SIMD, and the one for those without.
const ENGINES = ['engine.wasm', 'engine-scalar.wasm'];

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

/** The page's audio context with the processor in it, and the engine: made once, for all calls. */
async function makeStudio() {
  const module = await engine();
  const context = new AudioContext();
  await context.audioWorklet.addModule(beside('processor.js'));
  return { context, module };
}

let studio;
let running = 0;

/**
 * Measures a microphone's stream.
 * @param {MediaStream} stream
 * @param {(dbfs: number) => void} report gets the level ten times a second: RMS, -100 to 0 dBFS
 * @returns {Promise<() => void>} lets go of the stream
 */
export async function attach(stream, report) {
  studio ??= makeStudio().catch((error) => { studio = undefined; throw error; });
  const { context, module } = await studio;
  const node = new AudioWorkletNode(context, PROCESSOR, {
    // One output, never written to: what leads nowhere need not be run.
    numberOfOutputs: 1, channelCount: 1, channelCountMode: 'explicit', processorOptions: { module },
  });
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
  node.port.onmessage = ({ data }) => report(data.level);
  source.connect(node).connect(context.destination);
  running += 1;
  // A context that is blocked until the user clicks shows no level; the call does not wait for it.
  context.resume().catch(() => {});
  return () => {
    source.disconnect();
    node.disconnect();
    node.port.onmessage = null;
    node.port.postMessage('end');
    running -= 1;
    // With no meter left the context must not keep the sound card awake.
    if (running === 0) context.suspend().catch(() => {});
  };
}
