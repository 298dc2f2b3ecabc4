// The converters, against doubles of the other side's interfaces: `node --test component/integrations/mappings/tests/`.
import assert from 'node:assert/strict';
import test from 'node:test';
import * as hubspot from '../hubspot.js';
import * as odoo from '../odoo.js';
import * as salesforce from '../salesforce.js';

const ended = {
  id: 'c1', direction: 'outbound', from: '1001', to: '+79161234567', peerName: 'Ivan', startedAt: '2026-01-01T23:59:50.000Z',
  answeredAt: '2026-01-02T00:00:05.400Z', endedAt: '2026-01-02T00:01:00.000Z', talkSeconds: 54.6, totalSeconds: 70, disposition: 'answered',
  notes: 'Wants a quote', outcome: 'Sold', recordingUrl: 'https://pbx.example.com/1.wav', contact: { type: 'Contact', id: '003000000000001AAA' },
};
const missed = { ...ended, direction: 'inbound', from: '+74957654321', to: '1001', peerName: null, answeredAt: null, talkSeconds: 0, disposition: 'missed', notes: '', outcome: null, recordingUrl: null, contact: null };
const DISPOSITIONS = ['answered', 'missed', 'busy', 'rejected', 'cancelled', 'failed', 'interrupted'];

/** As much of the element as an adapter uses. */
class Phone extends EventTarget {
  uri = 'sip:1001@example.com';
  registration = 'registered';
  calls = [];
  called = [];
  async call(number) {
    this.called.push(number);
    if (number === 'bad') throw new Error('not found');
    return { id: 'c1' };
  }
  tell(name, detail) {
    this.dispatchEvent(Object.assign(new Event(`soft-phone-${name}`), { detail }));
  }
}
const settled = () => new Promise((resolve) => setTimeout(resolve));

test('Salesforce: a call is a Task of who was called', () => {
  assert.deepEqual(salesforce.task(ended), {
    entityApiName: 'Task', Subject: 'Call to Ivan', Status: 'Completed', TaskSubtype: 'Call', CallType: 'Outbound', CallObject: 'c1',
    CallDisposition: 'answered: Sold', CallDurationInSeconds: 55, ActivityDate: '2026-01-01', Description: 'Wants a quote\nhttps://pbx.example.com/1.wav',
    WhoId: '003000000000001AAA',
  });
  const of = (id) => salesforce.task({ ...missed, contact: { type: '', id } });
  assert.equal(of('00Q000000000001').WhoId, '00Q000000000001');
  assert.equal(of('001000000000001').WhatId, '001000000000001');
  assert.deepEqual(Object.keys(of('7; DELETE')), Object.keys(salesforce.task(missed)));
  assert.equal(salesforce.task(missed).Subject, 'Call from +74957654321');
  assert.ok(salesforce.task({ ...ended, peerName: 'x'.repeat(300) }).Subject.length <= 255);
});

/** Open CTI: each method calls back, click-to-dial is deaf until it is enabled. */
class OpenCti {
  CALL_TYPE = { INBOUND: 'inbound', OUTBOUND: 'outbound' };
  asked = [];
  enabled = false;
  refuses = false;
  saveLog = ({ value, callback }) => { this.asked.push(['saveLog', value]); callback(this.refuses ? { success: false, errors: ['no call centre'] } : { success: true, returnValue: { recordId: 'T' } }); };
  searchAndScreenPop = ({ searchParams, callType, callback }) => { this.asked.push(['pop', searchParams, callType]); callback({ success: true }); };
  enableClickToDial = ({ callback }) => { setTimeout(() => { this.enabled = true; callback({ success: true }); }); };
  onClickToDial = ({ listener }) => { if (this.enabled) this.click = listener; };
  setSoftphonePanelVisibility = ({ visible }) => { this.visible = visible; };
}

test('Salesforce: a click calls, and the call is logged with the record that was clicked', async () => {
  const [phone, opencti, failures] = [new Phone(), new OpenCti(), []];
  await salesforce.connect(phone, opencti, (error) => failures.push(error));
  await opencti.click({ number: '+79161234567', recordId: '00Q000000000009', objectType: 'Lead' });
  assert.deepEqual([phone.called, opencti.visible], [['+79161234567'], true]);
  phone.tell('call-end', { call: { id: 'c1' }, record: { ...ended, contact: null } });
  assert.equal(opencti.asked[0][1].WhoId, '00Q000000000009');
  phone.tell('call-end', { call: { id: 'c1' }, record: { ...ended, contact: null } });
  assert.equal(opencti.asked[1][1].WhoId, undefined, 'the next call with it');
  phone.tell('incoming', { call: { remote: { number: '+74957654321' } } });
  assert.deepEqual(opencti.asked[2], ['pop', '+74957654321', 'inbound']);
  await opencti.click({ number: 'bad' });
  opencti.refuses = true;
  phone.tell('call-end', { call: { id: 'c2' }, record: missed });
  await settled();
  assert.deepEqual(failures.map((error) => error.message), ['not found', '["no call centre"]']);
});

test('HubSpot: a call is an engagement, in milliseconds', () => {
  assert.deepEqual(hubspot.engagement(ended), {
    hs_timestamp: Date.parse('2026-01-01T23:59:50Z'), hs_call_title: 'Call to +79161234567', hs_call_body: 'Sold\nWants a quote',
    hs_call_direction: 'OUTBOUND', hs_call_duration: '54600', hs_call_from_number: '1001', hs_call_to_number: '+79161234567',
    hs_call_status: 'COMPLETED', hs_call_recording_url: 'https://pbx.example.com/1.wav',
  });
  assert.equal(hubspot.engagement({ ...ended, recordingUrl: 'http://pbx/1.wav' }).hs_call_recording_url, undefined);
  assert.deepEqual(DISPOSITIONS.map((disposition) => hubspot.endStatus({ disposition, direction: 'inbound' })),
    ['COMPLETED', 'MISSED', 'BUSY', 'REJECTED', 'CANCELED', 'FAILED', 'COMPLETED']);
  assert.equal(hubspot.endStatus({ disposition: 'missed', direction: 'outbound' }), 'NO_ANSWER');
  const allowed = ['BUSY', 'CANCELED', 'COMPLETED', 'FAILED', 'NO_ANSWER'];
  for (const disposition of DISPOSITIONS) assert.ok(allowed.includes(hubspot.engagement({ ...missed, disposition }).hs_call_status), disposition);
});

/** The SDK: what was told to HubSpot, and HubSpot's own words. */
class CallingExtensions {
  told = [];
  constructor({ eventHandlers }) {
    this.hears = eventHandlers;
    for (const name of ['initialized', 'userLoggedIn', 'userLoggedOut', 'incomingCall', 'outgoingCall', 'callAnswered', 'callEnded', 'callCompleted']) {
      this[name] = (data) => this.told.push([name, data]);
    }
  }
}

test('HubSpot: both directions are told from ring to end, once each', () => {
  const phone = new Phone();
  const sdk = hubspot.connect(phone, CallingExtensions);
  sdk.hears.onReady();
  sdk.hears.onDialNumber({ phoneNumber: '+79161234567' });
  assert.deepEqual(phone.called, ['+79161234567']);
  const call = { id: 'c1', direction: 'outbound', remote: { number: '+79161234567' }, startedAt: ended.startedAt };
  for (const state of ['dialing', 'ringing', 'active', 'held', 'active', 'ending']) phone.tell('call-change', { call, state });
  sdk.hears.onCreateEngagementSucceeded({ engagementId: 42, externalCallId: 'c1' });
  phone.tell('call-end', { call, record: ended });
  assert.deepEqual(sdk.told.map(([name]) => name), ['initialized', 'outgoingCall', 'callAnswered', 'callEnded', 'callCompleted']);
  assert.deepEqual([sdk.told[0][1].isLoggedIn, sdk.told[1][1].createEngagement, sdk.told[1][1].fromNumber], [true, true, '1001']);
  assert.deepEqual(sdk.told[3][1], { externalCallId: 'c1', engagementId: 42, callEndStatus: 'COMPLETED' });
  assert.equal(sdk.told[4][1].engagementProperties.hs_call_duration, '54600');

  sdk.told.length = 0;
  const incoming = { id: 'c2', direction: 'inbound', remote: { number: '+74957654321' }, startedAt: missed.startedAt };
  phone.tell('call-change', { call: incoming, state: 'incoming' });
  // The end may be there before HubSpot has made its engagement.
  phone.tell('call-end', { call: incoming, record: { ...missed, id: 'c2' } });
  assert.deepEqual(sdk.told.map(([name]) => name), ['incomingCall']);
  sdk.hears.onCreateEngagementSucceeded({ engagementId: 43, externalCallId: 'c2' });
  assert.deepEqual(sdk.told.map(([name]) => name), ['incomingCall', 'callEnded', 'callCompleted']);
  assert.equal(sdk.told[1][1].callEndStatus, 'MISSED');
  phone.tell('registration', { state: 'failed' });
  phone.tell('registration', { state: 'registered' });
  assert.deepEqual(sdk.told.slice(3).map(([name]) => name), ['userLoggedOut', 'userLoggedIn']);
});

test('Odoo: a call is a voip.call, made once and written after', () => {
  const contact = { type: 'res.partner', id: '12' };
  assert.deepEqual(odoo.values({ ...ended, contact }, { user: 2, pbx: 1 }), {
    phone_number: '+79161234567', type_call: 'outgoing', state: 'terminated', start_date: '2026-01-02 00:00:05', end_date: '2026-01-02 00:01:00',
    activity_name: 'Sold: Wants a quote', partner_id: 12, user_id: 2, pbx_id: 1,
  });
  const ringing = { ...missed, disposition: null, endedAt: null };
  assert.deepEqual([odoo.values(ringing).state, odoo.values(ringing).end_date, odoo.values(ringing).partner_id], ['calling', false, undefined]);
  assert.equal(odoo.values({ ...ringing, answeredAt: ended.answeredAt }).state, 'ongoing');
  assert.deepEqual(DISPOSITIONS.map((disposition) => odoo.values({ ...missed, disposition }).state),
    ['terminated', 'missed', 'rejected', 'rejected', 'aborted', 'aborted', 'missed']);
  const first = odoo.request({ seq: 1, call: ringing }, null);
  assert.deepEqual([first.model, first.method, first.args.length], ['voip.call', 'create', 1]);
  const next = odoo.request({ seq: 3, call: missed }, { seq: 1, record: 77 });
  assert.deepEqual([next.method, next.args[0], next.args[1].state], ['write', [77], 'missed']);
  assert.equal(odoo.request({ seq: 3, call: missed }, { seq: 3, record: 77 }), null);
  // A create that Odoo has refused is tried again.
  assert.equal(odoo.request({ seq: 2, call: ringing }, { seq: 1, record: null }).method, 'create');
});
