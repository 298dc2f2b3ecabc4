// Salesforce Open CTI (Lightning): the phone in the softphone panel of a call centre.
// https://developer.salesforce.com/docs/atlas.en-us.api_cti.meta/api_cti/

const who = (call) => (call.direction === 'inbound' ? call.from : call.to) ?? '';
/** A key prefix tells the object: people go to WhoId, all else to WhatId. */
const PEOPLE = /^(003|00Q)/;
const RECORD = /^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$/;

/**
 * A call (the `call` of an event, or the record of `soft-phone-call-end`) as the Task that `saveLog` takes. `CallObject` is
 * the call's id: by it a server that gets the events too (`calls-url`) finds the Task instead of making a second one.
 */
export function task(call) {
  const subject = call.direction === 'inbound' ? 'Call from' : 'Call to';
  const value = {
    entityApiName: 'Task',
    Subject: `${subject} ${call.peerName || who(call)}`.slice(0, 255),
    Status: 'Completed',
    TaskSubtype: 'Call',
    CallType: call.direction === 'inbound' ? 'Inbound' : 'Outbound',
    CallObject: call.id,
    CallDisposition: [call.disposition, call.outcome].filter(Boolean).join(': ').slice(0, 255),
    CallDurationInSeconds: Math.max(0, Math.round(call.talkSeconds ?? 0)),
    ActivityDate: (call.startedAt ?? '').slice(0, 10),
    Description: [call.notes, call.recordingUrl].filter(Boolean).join('\n').slice(0, 32000),
  };
  const id = call.contact?.id;
  if (RECORD.test(id ?? '')) value[PEOPLE.test(id) ? 'WhoId' : 'WhatId'] = id;
  return value;
}

/** Open CTI's callbacks as promises. */
const ask = (method, options) => new Promise((resolve, reject) => {
  method({ ...options, callback: ({ success, returnValue, errors }) => (success ? resolve(returnValue) : reject(new Error(JSON.stringify(errors)))) });
});

/**
 * Numbers in Salesforce call by the phone, a call that comes in opens who calls, a call that has ended becomes a Task.
 * `opencti` is `sforce.opencti`; `failed` hears of what Salesforce refuses. Resolves when clicks are listened to.
 */
export async function connect(phone, opencti, failed = console.error) {
  const records = new Map();
  const pop = (number, callType) => ask(opencti.searchAndScreenPop, { searchParams: number, queryParams: '', callType, deferred: false });
  phone.addEventListener('soft-phone-incoming', ({ detail: { call } }) => {
    opencti.setSoftphonePanelVisibility({ visible: true });
    pop(call.remote.number, opencti.CALL_TYPE.INBOUND).catch(failed);
  });
  phone.addEventListener('soft-phone-call-end', ({ detail: { call, record } }) => {
    const contact = records.get(call.id);
    records.delete(call.id);
    ask(opencti.saveLog, { value: task(contact ? { ...record, contact } : record) })
      .then(() => opencti.refreshView?.())
      .catch(failed);
  });
  // Clicks are heard only once they are enabled.
  await ask(opencti.enableClickToDial, {});
  opencti.onClickToDial({
    listener: async ({ number, recordId, objectType }) => {
      opencti.setSoftphonePanelVisibility({ visible: true });
      try {
        const call = await phone.call(number);
        if (recordId) records.set(call.id, { type: objectType ?? '', id: recordId });
      } catch (error) {
        failed(error);
      }
    },
  });
}
