// HubSpot's Calling Extensions SDK (0.9): the phone in the frame of a calling app.
// https://developers.hubspot.com/docs/api-reference/latest/crm/extensions/calling-extensions/calling-sdk

const ENDS = {
  answered: 'COMPLETED', interrupted: 'COMPLETED', busy: 'BUSY', failed: 'FAILED', cancelled: 'CANCELED', rejected: 'REJECTED',
};

/** `callEndStatus` of a call: of one that nobody answered, HubSpot wants to know whose fault it was. */
export function endStatus({ disposition, direction }) {
  if (disposition === 'missed') return direction === 'inbound' ? 'MISSED' : 'NO_ANSWER';
  return ENDS[disposition] ?? 'FAILED';
}

/** `hs_call_status` of an engagement knows fewer words. */
const STATUS = { REJECTED: 'NO_ANSWER', MISSED: 'NO_ANSWER' };

/** A call as the properties of HubSpot's engagement; durations are milliseconds, in text. */
export function engagement(call) {
  const status = endStatus(call);
  const properties = {
    hs_timestamp: Date.parse(call.startedAt),
    hs_call_title: `Call ${call.direction === 'inbound' ? `from ${call.from}` : `to ${call.to}`}`,
    hs_call_body: [call.outcome, call.notes].filter(Boolean).join('\n'),
    hs_call_direction: call.direction === 'inbound' ? 'INBOUND' : 'OUTBOUND',
    hs_call_duration: String(Math.max(0, Math.round((call.talkSeconds ?? 0) * 1000))),
    hs_call_from_number: call.from,
    hs_call_to_number: call.to,
    hs_call_status: STATUS[status] ?? status,
  };
  // HubSpot takes encrypted addresses only.
  if (call.recordingUrl?.startsWith('https://')) properties.hs_call_recording_url = call.recordingUrl;
  return properties;
}

/**
 * HubSpot's buttons call by the phone, and HubSpot keeps an engagement of each call. `CallingExtensions` is the SDK's class.
 * Returns its instance, whose other methods are the application's.
 */
export function connect(phone, CallingExtensions, failed = console.error) {
  // What HubSpot has made of a call, and the call's end when that comes first.
  const engagements = new Map();
  const ended = new Map();
  const finish = (id) => {
    const record = ended.get(id);
    const engagementId = engagements.get(id);
    if (!record || engagementId === undefined) return;
    ended.delete(id);
    engagements.delete(id);
    sdk.callEnded({ externalCallId: id, engagementId, callEndStatus: endStatus(record) });
    sdk.callCompleted({ externalCallId: id, engagementId, hideWidget: false, engagementProperties: engagement(record) });
  };
  const created = ({ engagementId, externalCallId }) => {
    engagements.set(externalCallId, engagementId);
    finish(externalCallId);
  };
  const sdk = new CallingExtensions({
    eventHandlers: {
      onReady: () => sdk.initialized({ isLoggedIn: phone.registration === 'registered' }),
      onDialNumber: ({ phoneNumber }) => { phone.call(phoneNumber).catch(failed); },
      onCreateEngagementSucceeded: created,
      onCreateEngagementFailed: failed,
      onEndCall: () => { for (const call of phone.calls) call.hangup().catch(failed); },
    },
  });
  phone.addEventListener('soft-phone-registration', ({ detail: { state } }) => {
    if (state === 'registered') sdk.userLoggedIn();
    if (state === 'failed' || state === 'offline') sdk.userLoggedOut();
  });
  const known = new Set();
  const answered = new Set();
  phone.addEventListener('soft-phone-call-change', ({ detail: { call, state } }) => {
    const { id, direction, remote } = call;
    if (!known.has(id)) {
      known.add(id);
      const shared = { externalCallId: id, createEngagement: true, callStartTime: Date.parse(call.startedAt) };
      const own = phone.uri?.replace(/^sips?:|@.*$/g, '') ?? '';
      if (direction === 'inbound') sdk.incomingCall({ ...shared, fromNumber: remote.number, toNumber: own });
      else sdk.outgoingCall({ ...shared, phoneNumber: remote.number, toNumber: remote.number, fromNumber: own });
    }
    if (state === 'active' && !answered.has(id)) {
      answered.add(id);
      sdk.callAnswered({ externalCallId: id });
    }
  });
  phone.addEventListener('soft-phone-call-end', ({ detail: { record } }) => {
    known.delete(record.id);
    answered.delete(record.id);
    ended.set(record.id, record);
    finish(record.id);
  });
  return sdk;
}
