// A whole JsSIP user agent on a socket of ours: what it sends when a message comes in, and its parser and printer alone.

import './globals.mjs';

import JsSIP from 'jssip';
import Parser from 'jssip/lib/Parser';
import SIPMessage from 'jssip/lib/SIPMessage';
import sanityCheck from 'jssip/lib/sanityCheck';

class Socket {
  url = 'ws://localhost';
  sip_uri = 'sip:localhost;transport=ws';
  via_transport = 'WS';
  sent = [];
  connect() {
    this.onconnect();
  }
  disconnect() {}
  isConnected() {
    return true;
  }
  isConnecting() {
    return false;
  }
  send(message) {
    this.sent.push(message);
    return true;
  }
}

function agent(user) {
  const socket = new Socket();
  const ua = new JsSIP.UA({ sockets: [socket], uri: `sip:${user}@example.com`, register: false });
  ua.on('newRTCSession', () => {});
  ua.start();
  return { ua, socket };
}

/** What is sent for a request; whether a response is let through. */
export async function judge(data, user) {
  const { ua, socket } = agent(user);
  if (data.startsWith('SIP/')) {
    const message = Parser.parseMessage(data, ua);
    return { accepted: Boolean(message) && sanityCheck(message, ua, socket) !== false, sent: [] };
  }
  socket.ondata(data);
  await new Promise((done) => setImmediate(done));
  return { accepted: false, sent: socket.sent };
}

let shared;

export const name = 'JsSIP';
export function parse(data) {
  shared ??= agent('1001').ua;
  return Parser.parseMessage(data, shared);
}

// Headers that a new request writes by itself.
const OWN = ['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards', 'Content-Length', 'User-Agent', 'Supported'];

/** What prints the message again, as a new one of the same headers. */
export function printer(data) {
  const message = parse(data);
  const extra = [];
  for (const header of Object.keys(message.headers)) {
    if (!OWN.includes(header)) {
      for (const { raw } of message.headers[header]) extra.push(`${header}: ${raw}`);
    }
  }
  const parameters = { from_uri: message.from.uri, to_uri: message.to.uri, call_id: message.call_id, from_tag: message.from_tag };
  const request = new SIPMessage.OutgoingRequest(message.method, message.ruri, shared, parameters, extra, message.body);
  request.setHeader('via', message.getHeader('via'));
  return () => request.toString();
}
