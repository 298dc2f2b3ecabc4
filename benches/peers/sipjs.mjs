// A whole SIP.js user agent on a transport of ours: what it sends when a message comes in, and its parser and printer
// alone.

import { UserAgent } from 'sip.js';
import { OutgoingRequestMessage } from 'sip.js/lib/core/messages/outgoing-request-message.js';
import { Parser } from 'sip.js/lib/core/messages/parser.js';

class Transport {
  protocol = 'WS';
  state = 'Connected';
  sent = [];
  stateChange = { addListener() {}, removeListener() {} };
  async connect() {}
  async disconnect() {}
  async dispose() {}
  isConnected() {
    return true;
  }
  async send(message) {
    this.sent.push(message);
  }
}

async function agent(user, viaHost) {
  const ua = new UserAgent({
    uri: UserAgent.makeURI(`sip:${user}@example.com`),
    contactName: user,
    viaHost,
    transportConstructor: Transport,
    sessionDescriptionHandlerFactory: () => ({ hasDescription: () => true, close() {} }),
    delegate: { onInvite() {}, onMessage: accept, onNotify: accept, onRefer: accept },
    logBuiltinEnabled: false,
  });
  await ua.start();
  return ua;
}

const accept = (request) => request.accept();

/** What is sent for a request; whether a response is let through. */
export async function judge(data, user) {
  // It drops responses to others: what comes is to it.
  const ua = await agent(user, /^(?:v|via)\s*:\s*SIP\s*\/\s*2\.0\s*\/\s*\w+\s+([^;,:\s]+)/im.exec(data)?.[1]);
  let accepted = false;
  ua.userAgentCore.receiveIncomingResponseFromTransport = () => {
    accepted = true;
  };
  ua.transport.onMessage(data);
  await new Promise((done) => setImmediate(done));
  return { accepted, sent: ua.transport.sent };
}

const logger = { debug() {}, log() {}, warn() {}, error() {} };

export const name = 'SIP.js';
export const parse = (data) => Parser.parseMessage(data, logger);

// Headers that a new request writes by itself.
const OWN = ['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards', 'Content-Length', 'Content-Type', 'User-Agent', 'Supported'];

/** What prints the message again, as a new one of the same headers. */
export function printer(data) {
  const message = parse(data);
  const extra = [];
  for (const header of Object.keys(message.headers)) {
    if (!OWN.includes(header)) {
      for (const { raw } of message.headers[header]) extra.push(`${header}: ${raw}`);
    }
  }
  const body = message.body && {
    body: message.body,
    contentType: message.getHeader('content-type'),
  };
  const options = { callId: message.callId, fromTag: message.fromTag };
  const { from, to, ruri } = message;
  const request = new OutgoingRequestMessage(message.method, ruri, from.uri, to.uri, options, extra, body);
  request.setHeader('via', message.getHeader('via'));
  return () => request.toString();
}
