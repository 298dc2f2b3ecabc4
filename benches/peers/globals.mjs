// What JsSIP expects of a browser, for Node: loaded before it. The peer connection is not used before an answer.

globalThis.window ??= globalThis;
globalThis.RTCPeerConnection ??= class {
  addEventListener() {}
  close() {}
};
