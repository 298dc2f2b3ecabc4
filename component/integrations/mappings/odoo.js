// Odoo with the OCA's `voip_oca`: a call event as the call of Odoo's external API that keeps it as a `voip.call`.
// https://github.com/OCA/connector-telephony, https://www.odoo.com/documentation/18.0/developer/reference/external_api.html

/** Odoo's date and time: UTC, without a zone; `false` is its null. */
const time = (iso) => (iso ? new Date(iso).toISOString().slice(0, 19).replace('T', ' ') : false);

const ENDS = { answered: 'terminated', interrupted: 'terminated', missed: 'missed', rejected: 'rejected', busy: 'rejected', cancelled: 'aborted', failed: 'aborted' };

/** The state is that of the whole call and not of the event: an `updated` that comes late leaves it ended. */
function stateOf(call) {
  if (call.disposition) return call.disposition === 'interrupted' && !call.answeredAt ? 'missed' : ENDS[call.disposition] ?? 'aborted';
  return call.answeredAt ? 'ongoing' : 'calling';
}

/** A call as the values of a `voip.call`. `user` and `pbx` are ids of Odoo's, where they are known. */
export function values(call, { user, pbx } = {}) {
  const row = {
    phone_number: (call.direction === 'inbound' ? call.from : call.to) || 'anonymous',
    type_call: call.direction === 'inbound' ? 'incoming' : 'outgoing',
    state: stateOf(call),
    start_date: time(call.answeredAt ?? call.startedAt),
    end_date: time(call.endedAt),
    activity_name: [call.outcome, call.notes].filter(Boolean).join(': ') || false,
  };
  if (call.contact?.type === 'res.partner' && Number.isInteger(Number(call.contact.id))) row.partner_id = Number(call.contact.id);
  if (Number.isInteger(user)) row.user_id = user;
  if (Number.isInteger(pbx)) row.pbx_id = pbx;
  return row;
}

/**
 * What to ask Odoo (`execute_kw`) for an event: `{model, method, args}`, or null when it says nothing new. `known` is what
 * the server has kept of the call under (user, `call.id`): `{seq, record}`, or null. `voip.call` has no room for that key,
 * so it must be kept beside Odoo, in one transaction with the answer.
 */
export function request(event, known, ids) {
  if (known && event.seq <= known.seq) return null;
  const row = values(event.call, ids);
  return known?.record
    ? { model: 'voip.call', method: 'write', args: [[known.record], row] }
    : { model: 'voip.call', method: 'create', args: [row] };
}
