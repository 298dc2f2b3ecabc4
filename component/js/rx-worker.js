// Stands between the network and the browser's own jitter buffer: every encoded frame goes through, always, and a copy of it
// goes to the receive path while that wants it.

/** Frames from `readable` to `writable`; `port` tells where copies go: `{sink}`, a port or null. Without it there are none. */
function pass({ readable, writable }, port) {
  let sink = null;
  if (port) {
    port.onmessage = ({ data }) => {
      sink?.close();
      sink = data.sink;
    };
  }
  const copyOf = (frame) => {
    const { payloadType, mimeType, sequenceNumber, rtpTimestamp, synchronizationSource } = frame.getMetadata();
    // Without numbers there is no order.
    if (sequenceNumber === undefined) return null;
    const payload = frame.data.slice(0);
    const timestamp = rtpTimestamp ?? frame.timestamp;
    // Firefox tells it as a signed number.
    const sequence = sequenceNumber & 0xFFFF;
    return { payloadType, mimeType, sequence, timestamp, ssrc: synchronizationSource ?? 0, payload };
  };
  const through = new TransformStream({
    transform(frame, controller) {
      const copied = sink && copyOf(frame);
      controller.enqueue(frame);
      if (copied) sink.postMessage(copied, [copied.payload]);
    },
  });
  // Ends with the connection.
  readable.pipeThrough(through).pipeTo(writable).catch(() => {});
}

self.onrtctransform = ({ transformer }) => pass(transformer, transformer.options.port);
// Chromium before 141.
self.onmessage = ({ data }) => pass(data, data.port);
self.postMessage('ready');
