"""Calls as Creme's activities: one for each call, whoever sends what how often."""

import re
from datetime import timedelta

import creme.activities.constants as constants
from creme import activities
from creme.activities.models import ActivitySubType, Calendar, Status
from creme.creme_core.core.workflow import run_workflow_engine
from creme.creme_core.models import Relation
from django.db.transaction import atomic
from django.utils.dateparse import parse_datetime

from . import contacts
from .models import Call

Activity = activities.get_activity_model()

ENDS = {'answered', 'missed', 'busy', 'rejected', 'cancelled', 'failed', 'interrupted'}
TITLE = 100
NOTES = 10_000


class Bad(Exception):
    """What is wrong with an event, for good."""


def text(call, name, most=200):
    value = call.get(name)
    return value[:most].replace('\x00', '') if isinstance(value, str) else ''


def time(call, name):
    value = text(call, name, 40)
    # With its zone, or it is no time of ours.
    if not re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z', value):
        return None
    try:
        return parse_datetime(value)
    except ValueError:
        return None


def seconds(call, name):
    value = call.get(name)
    return max(0, round(value)) if isinstance(value, (int, float)) and abs(value) < 10**9 else 0


def checked(event):
    """The call of an event that is one."""
    call = event.get('call') if isinstance(event, dict) else None
    if not isinstance(call, dict) or not re.fullmatch(r'[A-Za-z0-9._:-]{1,64}', text(call, 'id')):
        raise Bad('an event has a call with an id')
    seq = event.get('seq')
    if isinstance(seq, bool) or not isinstance(seq, int) or not 1 <= seq < 2**31:
        raise Bad('an event has a number from 1 on')
    if call.get('direction') not in ('inbound', 'outbound'):
        raise Bad('a call is inbound or outbound')
    if call.get('disposition') not in ENDS | {None} or time(call, 'startedAt') is None:
        raise Bad('a call has a beginning, and ends in one of the ways that there are')
    return call, seq


def take(event, user):
    """One result of the answer. What the database refuses is raised, and the phone comes again."""
    key = event.get('id') if isinstance(event, dict) and isinstance(event.get('id'), str) else ''
    try:
        call, seq = checked(event)
        with atomic(), run_workflow_engine(user=user):
            return {'id': key, **_apply(call, seq, user)}
    except Bad as error:
        return {'id': key, 'status': 'error', 'message': str(error)}


def _apply(call, seq, user):
    row, _ = Call.objects.get_or_create(call_id=call['id'], defaults={'user_id': user.id})
    if row.user_id != user.id:
        raise Bad("this call is another user's")
    # Whoever changes the row has the event; a second request with it waits here, and finds it changed.
    is_new = Call.objects.filter(pk=row.pk, user_id=user.id, seq__lt=seq).update(seq=seq) > 0
    row.refresh_from_db()
    activity = Activity.objects.filter(pk=row.activity_id).first() if row.activity_id else None
    entity, candidates = _contact(activity), []
    # An activity that somebody has deleted stays deleted.
    if is_new and (activity or not row.activity_id):
        number = text(call, 'from' if call['direction'] == 'inbound' else 'to', TITLE)
        entity = contacts.chosen(call.get('contact'), user) or entity
        if entity is None:
            candidates = contacts.with_number(number, user)
            # Of several with this number none is taken: somebody will choose.
            entity = candidates[0] if len(candidates) == 1 else None
        activity = _write(activity, call, user, entity, number)
        Call.objects.filter(pk=row.pk).update(activity_id=activity.pk)
    return {
        'status': 'ok' if is_new else 'duplicate',
        'record': str(activity.pk) if activity else None,
        'url': activity.get_absolute_url() if activity else None,
        'contact': contacts.described(entity) if entity else None,
        'candidates': [contacts.described(candidate) for candidate in candidates],
    }


def _write(activity, call, user, entity, number):
    inbound = call['direction'] == 'inbound'
    disposition = call.get('disposition')
    start, answered, end = time(call, 'startedAt'), time(call, 'answeredAt'), time(call, 'endedAt')
    sub_type = ActivitySubType.objects.get(
        uuid=constants.UUID_SUBTYPE_PHONECALL_INCOMING if inbound else constants.UUID_SUBTYPE_PHONECALL_OUTGOING
    )
    if disposition is None:
        status = constants.UUID_STATUS_IN_PROGRESS
    else:
        status = constants.UUID_STATUS_DONE if answered else constants.UUID_STATUS_UNSUCCESSFUL
    activity = activity or Activity(user=user)
    activity.title = f'{"Call from" if inbound else "Call to"} {entity or number}'[:TITLE]
    activity.type_id, activity.sub_type = sub_type.type_id, sub_type
    activity.status = Status.objects.get(uuid=status)
    activity.start, activity.end = start, max(end or answered or start, start + timedelta(seconds=1))
    facts = [
        f'{number}: {disposition or ("talking" if answered else "ringing")}',
        f'{seconds(call, "talkSeconds")} s of {seconds(call, "totalSeconds")} s' if disposition else '',
        text(call, 'recordingUrl', 2000),
    ]
    activity.description = '\n'.join(fact for fact in facts if fact)
    notes = [text(call, 'outcome'), text(call, 'notes', NOTES)]
    # What somebody has written there stays, until the phone has something to say.
    if any(notes):
        activity.minutes = '\n'.join(note for note in notes if note)
    activity.save()
    activity.calendars.add(*Calendar.objects.get_default_calendars([user]).values())
    own = user.linked_contact
    if own is not None:
        _relate(own, constants.REL_SUB_PART_2_ACTIVITY, activity, user)
    if entity is not None and entity != own:
        kind = constants.REL_SUB_PART_2_ACTIVITY
        if not isinstance(entity, contacts.Contact):
            kind = constants.REL_SUB_LINKED_2_ACTIVITY
        _relate(entity, kind, activity, user)
    return activity


def _relate(subject, kind, activity, user):
    Relation.objects.safe_get_or_create(subject_entity=subject, type_id=kind, object_entity=activity, user=user)


def _contact(activity):
    """Whom the activity is with: the one who is not its user's own contact."""
    if activity is None:
        return None
    kinds = [constants.REL_OBJ_PART_2_ACTIVITY, constants.REL_OBJ_LINKED_2_ACTIVITY]
    own = activity.user.linked_contact
    for relation in activity.relations.filter(type_id__in=kinds).order_by('id'):
        entity = relation.object_entity.get_real_entity()
        if entity != own and isinstance(entity, (contacts.Contact, contacts.Organisation)):
            return entity
    return None
