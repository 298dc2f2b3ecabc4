// JsSIP on a page: the phone that ours is timed against, and the one that tries the rig without ours.
"use strict";

const peer = { sessions: [], states: [] };

// Registers; resolves when the server has accepted. `settings` are JsSIP's own.
peer.register = ({ server, uri, password, settings }) => new Promise((done, fail) => {
  const socket = new JsSIP.WebSocketInterface(server);
  peer.ua = new JsSIP.UA({ sockets: [socket], uri, password, session_timers: false, register_expires: 300, ...settings });
  peer.ua.on("registered", () => done(true));
  peer.ua.on("registrationFailed", event => fail(new Error(event.cause)));
  peer.ua.on("newRTCSession", ({ session }) => {
    peer.session = session;
    for (const state of ["progress", "confirmed", "ended", "failed"]) session.on(state, event => peer.states.push({ state, cause: event.cause }));
    // Chromium leaves a remote stream silent unless an element holds it.
    const hold = connection => connection.addEventListener("track", event => {
      const audio = new Audio();
      audio.muted = true;
      audio.srcObject = event.streams[0];
      peer.remote = event.streams[0];
      peer.audio = audio;
    });
    if (session.connection) hold(session.connection);
    session.on("peerconnection", event => hold(event.peerconnection));
  });
  peer.ua.start();
});

// Calls as a user does: by a click on the page's button.
peer.call = (target, iceServers = []) => {
  const button = document.getElementById("peer-call");
  button.onclick = () => peer.ua.call(target, { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers } });
  button.click();
};
peer.local = () => peer.session.connection.getLocalStreams?.()[0] ?? new MediaStream(peer.session.connection.getSenders().map(sender => sender.track));
window.peer = peer;
