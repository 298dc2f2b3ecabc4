// Stands between the network and the browser's own jitter buffer: every encoded frame goes through, always, and a copy of it
// goes to the receive path while that wants it.

import { Writer } from './ring.js';

// `soft_phone_dsp::host::Codec`.
const CODECS = { 'audio/pcmu': 0, 'audio/pcma': 1, 'audio/g722': 2, 'audio/l16': 3, 'audio/opus': 4 };
const NO_CODEC = 255;

/** Where copies go: a port or shared memory; nowhere without either. */
function sinkOf({ port, memory }) {
  if (memory) return new Writer(memory);
  return port ? { write: (packet) => port.postMessage(packet, [packet.payload.buffer]), close: () => port.close() } : null;
}

/** Frames from `readable` to `writable`; `port` tells where copies go, see `sinkOf`. Without it there are none. */
function pass({ readable, writable }, port) {
  let sink = null;
  if (port) {
    port.onmessage = ({ data }) => {
      sink?.close();
      sink = sinkOf(data);
    };
  }
  const copyOf = (frame) => {
    const { payloadType, mimeType, sequenceNumber, rtpTimestamp, synchronizationSource } = frame.getMetadata();
    // Without numbers there is no order.
    if (sequenceNumber === undefined) return null;
    const payload = new Uint8Array(frame.data.slice(0));
    const timestamp = rtpTimestamp ?? frame.timestamp;
    // Firefox tells it as a signed number.
    const sequence = sequenceNumber & 0xFFFF;
    const codec = CODECS[mimeType?.toLowerCase()] ?? NO_CODEC;
    return { payloadType, codec, sequence, timestamp, ssrc: synchronizationSource ?? 0, payload };
  };
  const through = new TransformStream({
    transform(frame, controller) {
      const copied = sink && copyOf(frame);
      controller.enqueue(frame);
      if (copied) sink.write(copied);
    },
  });
  // Ends with the connection.
  readable.pipeThrough(through).pipeTo(writable).catch(() => {});
}

self.onrtctransform = ({ transformer }) => pass(transformer, transformer.options.port);
// Chromium before 141.
self.onmessage = ({ data }) => pass(data, data.port);
self.postMessage('ready');
