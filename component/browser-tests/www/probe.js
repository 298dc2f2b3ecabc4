// The page's half of the browser tests. It runs before any phone, keeps what a phone sends, fires and plays, and
// waits for conditions so that no test sleeps.
"use strict";

const RATE = 48000;
const EVENTS = ["registration", "incoming", "call-change", "call-end", "dial", "lookup", "message", "notify", "quality", "readiness", "error"];

const probe = {
  wire: [],        // {at, out, text, socket}: each WebSocket frame, `at` in ms of performance.now()
  sockets: [],     // WebSockets in the order of their making
  events: [],      // {type, ...}: what the phone fired, flattened to what can leave the page
  violations: [],  // what the Content Security Policy refused
  errors: [],      // what nobody caught
  microphone: [],  // constraints of each getUserMedia
  applied: [],     // types of the descriptions of the far end that were applied
  clicks: [],      // performance.now() of each click, before anybody else saw it
  answers: {},     // path -> {status, type, body}: what fetch answers instead of the server
};

addEventListener("securitypolicyviolation", event => probe.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
addEventListener("error", event => probe.errors.push(`${event.message} ${event.error?.stack ?? ""}`));
addEventListener("unhandledrejection", event => probe.errors.push(String(event.reason?.message ?? event.reason)));
addEventListener("click", () => probe.clicks.push(performance.now()), { capture: true });

// ---- what goes over the wire

const text = data => typeof data === "string" ? data : data instanceof ArrayBuffer || ArrayBuffer.isView(data) ? new TextDecoder().decode(data) : "";
window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    const socket = probe.sockets.push(this) - 1;
    this.send = data => {
      probe.wire.push({ at: performance.now(), out: true, text: text(data), socket });
      super.send(data);
    };
    this.addEventListener("message", async event => {
      const data = event.data instanceof Blob ? await event.data.text() : text(event.data);
      probe.wire.push({ at: performance.now(), out: false, text: data, socket });
    });
  }
};
// The messages that begin like this, requests or responses, sent (`out`) or received.
probe.sent = start => probe.wire.filter(frame => frame.out && frame.text.startsWith(start));
probe.received = start => probe.wire.filter(frame => !frame.out && frame.text.startsWith(start));

const fetchOfTheBrowser = window.fetch;
window.fetch = async (resource, options) => {
  const url = new URL(resource instanceof Request ? resource.url : resource, location.href);
  const answer = probe.answers[url.pathname];
  if (!answer) return fetchOfTheBrowser(resource, options);
  return new Response(answer.body, { status: answer.status, headers: { "content-type": answer.type ?? "application/json" } });
};

// ---- what must not be left behind

const made = { connections: [], contexts: [], tracks: [] };
const RTCPeerConnectionOfTheBrowser = window.RTCPeerConnection;
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...args) {
    super(...args);
    made.connections.push(this);
    this.addEventListener("connectionstatechange", () => {
      if (this.connectionState === "connected") probe.connectedAt = performance.now();
    });
  }

  setRemoteDescription(description, ...rest) {
    probe.applied.push(description.type);
    return super.setRemoteDescription(description, ...rest);
  }
};
// A far end for servers that have none: it speaks a tone, and counts as nothing of the phone's.
probe.far = {
  async answer(offer) {
    const far = probe.far.connection ??= new RTCPeerConnectionOfTheBrowser();
    await far.setRemoteDescription({ type: "offer", sdp: offer });
    if (!probe.far.context) {
      probe.far.context = new AudioContextOfTheBrowser();
      const tone = new OscillatorNode(probe.far.context);
      const sink = new MediaStreamAudioDestinationNode(probe.far.context);
      tone.connect(sink);
      tone.start();
      probe.far.track = sink.stream.getTracks()[0];
    }
    if (!far.getSenders().some(sender => sender.track)) far.addTrack(probe.far.track);
    await far.setLocalDescription();
    await probe.until(() => far.iceGatheringState === "complete", 10000);
    return far.localDescription.sdp;
  },
  async offer() {
    return (await probe.far.connection.createOffer()).sdp;
  },
  close() {
    probe.far.connection?.close();
    probe.far.connection = null;
  },
};
const AudioContextOfTheBrowser = window.AudioContext;
window.AudioContext = class extends AudioContextOfTheBrowser {
  constructor(...args) {
    super(...args);
    made.contexts.push(this);
  }
};
// The context that the phone's worklet runs in.
const addModule = AudioWorklet.prototype.addModule;
AudioWorklet.prototype.addModule = async function (url, ...rest) {
  if (/\/(processor|receiver)\.js$/.test(url)) {
    if (probe.noWorklet) throw new DOMException("made by the test", "AbortError");
    probe.studio = made.contexts.find(context => context.audioWorklet === this);
  }
  return addModule.call(this, url, ...rest);
};
// Takes that context's time away, as a machine does that is too slow.
probe.overload = async () => {
  await probe.studio.audioWorklet.addModule("/test/overload.js");
  new AudioWorkletNode(probe.studio, "overload").connect(probe.studio.destination);
};
// Breaks what the phone's worklet runs on: it throws with its next quantum.
probe.sabotage = () => probe.studio.audioWorklet.addModule("/test/sabotage.js");

// What still holds the network, the loudspeaker or the microphone.
probe.open = () => ({
  connections: made.connections.filter(it => it.connectionState !== "closed").length,
  contexts: made.contexts.filter(it => it.state !== "closed").length,
  tracks: made.tracks.filter(it => it.readyState === "live").length,
});

// Sends no packet of sound any more, while everything else stands, or sends again.
probe.hush = silent => Promise.all(made.connections.filter(it => it.connectionState !== "closed").flatMap(it => it.getSenders()).map(sender => {
  if (silent) sender.kept = sender.track;
  return sender.replaceTrack(silent ? null : sender.kept);
}));
// What receives sound on the connection that is open.
probe.receiver = () => made.connections.find(it => it.connectionState !== "closed").getReceivers()[0];
// A way for packets stands on each connection that is open.
probe.connected = () => made.connections.filter(it => it.connectionState !== "closed").every(it => it.connectionState === "connected");

// How many packets of the far end have come, on each connection; none on one that is closed.
probe.packets = () => Promise.all(made.connections.map(async it => {
  if (it.connectionState === "closed") return 0;
  const statistics = it.getStats();
  // Firefox never answers for a connection that is closed meanwhile.
  const closed = new Promise(done => {
    const looks = setInterval(() => {
      if (it.connectionState !== "closed") return;
      clearInterval(looks);
      done(new Map());
    }, 10);
    statistics.finally(() => clearInterval(looks));
  });
  const report = await Promise.race([statistics, closed]);
  return [...report.values()].reduce((sum, it) => sum + (it.type === "inbound-rtp" ? it.packetsReceived : 0), 0);
}));

// Whether packets come all through a second, on a connection that is there before and after it.
probe.flows = async () => {
  const from = performance.now();
  const before = await probe.packets();
  await probe.until(() => performance.now() > from + 1000, 5000);
  const now = await probe.packets();
  return now.length === before.length && now.some((count, nth) => count > before[nth] + 25);
};

// ---- the microphone

// A copy holds the microphone as the original does.
const cloneOfTheBrowser = MediaStream.prototype.clone;
MediaStream.prototype.clone = function clone() {
  const copy = cloneOfTheBrowser.call(this);
  made.tracks.push(...copy.getTracks());
  return copy;
};

// The browser's own processing would change what is compared. Firefox's fake microphone knows one tone only: there
// (`?voice=FILE`) a recording that loops takes its place.
const voice = new URLSearchParams(location.search).get("voice");
// A test may say what the microphone hears instead: `asked`, the device, processed as the phone asks for it; `hum`, a
// voice-like sound without a pause, in which any gap shows; `room`, what the loudspeaker plays, as a room returns it;
// `noisy`, the recorded voice with knocks and hiss, of which `probe.clean` is the voice alone.
probe.source = null;
// Hz, of `hum` and `room`.
probe.rate = RATE;

const makers = {
  // A buzz with the formants of a vowel, which rises and falls four times a second and never ends.
  hum(context) {
    const voice = new OscillatorNode(context, { type: "sawtooth", frequency: 140 });
    const sum = new GainNode(context, { gain: 0.2 });
    for (const [frequency, gain] of [[700, 1], [1200, 0.6], [2600, 0.3]]) {
      voice.connect(new BiquadFilterNode(context, { type: "bandpass", frequency, Q: 4 })).connect(new GainNode(context, { gain })).connect(sum);
    }
    for (const [frequency, depth, target] of [[5, 6, voice.frequency], [4, 0.1, sum.gain]]) {
      const wave = new OscillatorNode(context, { frequency });
      wave.connect(new GainNode(context, { gain: depth })).connect(target);
      wave.start();
    }
    voice.start();
    return sum;
  },
  async noisy(context) {
    const file = await fetchOfTheBrowser("/test/speech-a.wav");
    const words = await context.decodeAudioData(await file.arrayBuffer());
    const speech = new AudioBufferSourceNode(context, { buffer: words, loop: true });
    // As long as the words: each time they are said with the same noise.
    const { length } = words;
    const buffer = new AudioBuffer({ length, sampleRate: context.sampleRate });
    const samples = buffer.getChannelData(0);
    let seed = 1;
    let low = 0;
    for (let i = 0; i < length; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      low += 0.3 * (seed / 2 ** 31 - low);
      // Almost three knocks a second.
      samples[i] = low * 0.05 * (0.3 + 1.5 * Math.exp(-((i * 14 / length) % 1) * 8));
    }
    const noise = new AudioBufferSourceNode(context, { buffer, loop: true });
    const clean = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    probe.clean = clean.stream;
    const sum = new GainNode(context);
    speech.connect(clean);
    speech.connect(sum);
    noise.connect(sum);
    speech.start();
    noise.start();
    return sum;
  },
  // 40 ms of way, then a direct sound and 200 ms of reverberation, 12 dB below what is played.
  room(context) {
    const length = Math.round(0.2 * context.sampleRate);
    const answer = new AudioBuffer({ length, sampleRate: context.sampleRate });
    const taps = answer.getChannelData(0);
    let seed = 1;
    for (let i = 0; i < length; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      taps[i] = seed / 2 ** 31 * 0.01 * Math.exp(-i / (0.03 * context.sampleRate));
    }
    taps[0] = 0.2;
    probe.door = new DelayNode(context, { delayTime: 0.04 });
    return probe.door.connect(new ConvolverNode(context, { buffer: answer, disableNormalization: true }));
  },
};
const sounds = new Map();
// A microphone that hears a sound of the page's own.
const microphoneOf = async source => {
  const key = `${source} ${probe.rate}`;
  if (!sounds.has(key)) {
    const context = new AudioContextOfTheBrowser({ sampleRate: probe.rate });
    sounds.set(key, { context, making: makers[source](context) });
  }
  const { context, making } = sounds.get(key);
  const node = await making;
  await context.resume();
  const microphone = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  node.connect(microphone);
  made.tracks.push(...microphone.stream.getTracks());
  return microphone.stream;
};
// From now on the loudspeaker in the room plays this stream.
probe.play = stream => new MediaStreamAudioSourceNode(probe.door.context, { mediaStream: stream }).connect(probe.door);

const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
let speech;
navigator.mediaDevices.getUserMedia = async constraints => {
  probe.microphone.push(constraints);
  if (probe.microphoneError) throw new DOMException("made by the test", probe.microphoneError);
  if (makers[probe.source]) return microphoneOf(probe.source);
  const raw = probe.source === "asked" ? {} : { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  if (!voice) {
    const stream = await getUserMedia({ ...constraints, audio: { ...(typeof constraints.audio === "object" ? constraints.audio : {}), ...raw } });
    made.tracks.push(...stream.getTracks());
    return stream;
  }
  speech ??= (async () => {
    const context = new AudioContextOfTheBrowser({ sampleRate: RATE });
    const file = await fetchOfTheBrowser(`/test/${voice}`);
    const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(await file.arrayBuffer()), loop: true });
    source.start();
    return { context, source };
  })();
  const { context, source } = await speech;
  await context.resume();
  const microphone = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  source.connect(microphone);
  made.tracks.push(...microphone.stream.getTracks());
  return microphone.stream;
};

// ---- what is heard

// Records streams, all by one clock, until each has `seconds` (a number, or a function that knows it later); the samples come
// back as base64 of 16-bit words. Meanwhile `probe.recorded` says how many seconds of the first there are, and
// `probe.recordedFrom` when it began.
probe.record = async (streams, seconds) => {
  probe.recorded = 0;
  probe.recordedFrom = null;
  const context = new AudioContextOfTheBrowser({ sampleRate: RATE });
  await context.audioWorklet.addModule("/test/recorder.js");
  await context.resume();
  const wanted = () => (typeof seconds === "function" ? seconds() : seconds) * RATE;
  const one = stream => new Promise(done => {
    const source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
    const node = new AudioWorkletNode(context, "recorder", { numberOfInputs: 1, numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    const chunks = [];
    let length = 0;
    node.port.onmessage = ({ data }) => {
      chunks.push(data);
      length += data.length;
      if (stream === streams[0]) {
        probe.recorded = length / RATE;
        probe.recordedFrom ??= Date.now() - 1000 * length / RATE;
      }
      if (length < wanted()) return;
      node.port.onmessage = null;
      node.port.postMessage("stop");
      source.disconnect();
      done(chunks);
    };
    source.connect(node);
  });
  const recordings = await Promise.all(streams.map(one));
  await context.close();
  return recordings.map(chunks => {
    const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(new Uint8Array(chunk.buffer), at);
      at += chunk.byteLength;
    }
    let binary = "";
    for (let i = 0; i < bytes.length; i += 32768) binary += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(binary);
  });
};

// What an ear hears: whatever the phone's `<audio>` element is given, one stream after the other, for `seconds`, and
// the stream `beside` it. `restarts` are the milliseconds from each change to the element's playing on.
const srcObject = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
  ...srcObject,
  set(stream) {
    srcObject.set.call(this, stream);
    if (!this.muted) probe.ear?.(this, stream);
  },
});
probe.hear = async (audio, seconds, beside) => {
  const restarts = [];
  const context = new AudioContextOfTheBrowser({ sampleRate: RATE });
  const ear = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  let source;
  const listen = stream => {
    source?.disconnect();
    source = stream && new MediaStreamAudioSourceNode(context, { mediaStream: stream });
    source?.connect(ear);
  };
  listen(audio.srcObject);
  await context.resume();
  probe.ear = (element, stream) => {
    if (element !== audio) return;
    const from = performance.now();
    element.addEventListener("playing", () => restarts.push(performance.now() - from), { once: true });
    listen(stream);
  };
  const heard = await probe.record([ear.stream, beside], seconds);
  probe.ear = null;
  await context.close();
  probe.restarts = restarts;
  return heard;
};

// ---- conditions

// Waits until `condition()` gives something true and returns it; looks again after each change the page can see,
// and every 10 ms.
probe.until = (condition, milliseconds) => new Promise((done, fail) => {
  const end = performance.now() + milliseconds;
  const look = async () => {
    try {
      const value = await condition();
      if (value) return done(value);
    } catch (error) {
      return fail(error);
    }
    if (performance.now() > end) return fail(new Error(`not within ${milliseconds} ms: ${condition}`));
    setTimeout(look, 10);
  };
  look();
});

// ---- the phone, by its contract only

const callFacts = call => call && ({
  id: call.id, sipCallId: call.sipCallId, direction: call.direction, state: call.state, cause: call.cause, held: call.held,
  muted: call.muted, number: call.remote?.number, name: call.remote?.name, answeredAt: call.answeredAt,
});
for (const type of EVENTS) {
  addEventListener(`soft-phone-${type}`, event => {
    const { call, contact, ...detail } = event.detail ?? {};
    probe.events.push({ type, phone: event.target.id, ...JSON.parse(JSON.stringify(detail)), call: callFacts(call) });
    // Kept as it was: an ended call may have left the phone's list.
    if (call) probe.lastCall = call;
  });
}
probe.fired = type => probe.events.filter(event => event.type === type);

// Makes a phone with these attributes (null: absent) and puts it onto the page. What it sends is the microphone as it is,
// unless a case is about how that is processed.
probe.make = (attributes, id = "phone") => {
  const phone = document.createElement("soft-phone");
  phone.id = id;
  for (const [name, value] of Object.entries({ processing: "off", ...attributes })) if (value !== null) phone.setAttribute(name, value);
  document.body.append(phone);
  return phone;
};
// An inner node of the phone by its part's name.
probe.part = (name, id = "phone") => document.getElementById(id).shadowRoot.querySelector(`[part~="${name}"]`);
// Whether a user can press it now.
probe.usable = (name, id = "phone") => {
  const part = probe.part(name, id);
  if (!part || part.disabled || part.getAttribute("aria-disabled") === "true") return false;
  return part.checkVisibility({ visibilityProperty: true, opacityProperty: true });
};
// What a user reads in the window.
probe.words = (id = "phone") => probe.part("window", id).innerText;
probe.phone = (id = "phone") => document.getElementById(id);
// The call of a phone: the one that lives, else the last that was heard of.
probe.call = (id = "phone") => probe.phone(id).calls[0] ?? probe.lastCall;
probe.press = (name, id = "phone") => {
  if (!probe.usable(name, id)) throw new Error(`nobody can press ${name} now`);
  probe.part(name, id).click();
};
probe.box = (name, id = "phone") => {
  const { x, y, width, height } = probe.part(name, id).getBoundingClientRect();
  return { x, y, width, height, right: innerWidth - x - width, bottom: innerHeight - y - height };
};
// What a failed test prints.
probe.report = () => ({
  phones: [...document.querySelectorAll("soft-phone")].map(phone => ({
    id: phone.id, registration: phone.registration, calls: [...(phone.calls ?? [])].map(callFacts), words: phone.shadowRoot ? probe.words(phone.id) : null,
    opacity: phone.shadowRoot && getComputedStyle(probe.part("window", phone.id)).opacity,
  })),
  visibility: document.visibilityState,
  open: probe.open(), events: probe.events.slice(-15), errors: probe.errors, violations: probe.violations,
  wire: probe.wire.slice(-15).map(frame => `${Math.round(frame.at)} ${frame.out ? "->" : "<-"} ${frame.text.split("\r\n", 1)[0]}`),
});
window.probe = probe;
