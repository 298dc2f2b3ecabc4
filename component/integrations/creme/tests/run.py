"""The phone's endpoints in a real Creme: a copy of a filled database, Creme's own middleware, models and permissions."""

import json
import logging
import unittest

import django

django.setup()

import creme.activities.constants as constants
from creme import activities, persons
from creme.creme_core.models import CremeUser, Relation
from django.test import Client, TestCase
from soft_phone.models import Account, Call
from soft_phone.secrets import seal

Activity = activities.get_activity_model()
Contact = persons.get_contact_model()


def event(seq, state, key='c1', **call):
    return {'id': f'{key}-{seq}', 'seq': seq, 'state': state, 'at': '2026-01-01T10:00:00.000Z', 'call': {
        'id': key, 'direction': 'inbound', 'from': '+79161234567', 'to': '100', 'startedAt': '2026-01-01T10:00:00.000Z',
        'answeredAt': None, 'endedAt': None, 'totalSeconds': 0, 'talkSeconds': 0, 'disposition': None, 'notes': '',
        'outcome': None, 'recordingUrl': None, 'contact': None, **call}}


ANSWERED = {'answeredAt': '2026-01-01T10:00:05.000Z'}
ENDED = {**ANSWERED, 'endedAt': '2026-01-01T10:01:00.000Z', 'totalSeconds': 60, 'talkSeconds': 55, 'disposition': 'answered'}


class Phone(TestCase):
    def setUp(self):
        self.root = CremeUser.objects.get(username='root')
        self.client = Client(enforce_csrf_checks=True)
        self.client.force_login(self.root)
        self.before = Activity.objects.count()

    def colleague(self):
        user = CremeUser.objects.create_superuser('egon', first_name='Egon', last_name='E', email='e@example.com', password='x')
        Account.objects.create(user_id=user.id, number='101', secret=seal('pw-101', user.id))
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        return user, client

    def token(self, client=None):
        return (client or self.client).get('/soft-phone/account').json()['csrf']['value']

    def send(self, *events, client=None, status=200):
        client = client or self.client
        form = {'csrfmiddlewaretoken': self.token(client), 'events': json.dumps(events)}
        response = client.post('/soft-phone/calls', form)
        self.assertEqual(response.status_code, status, response.content)
        return response.json()['results']

    def cards(self):
        return list(Activity.objects.order_by('id')[self.before:])

    def with_whom(self, activity):
        """Names of all that Creme relates to it."""
        return sorted(str(it.object_entity.get_real_entity()) for it in Relation.objects.filter(subject_entity=activity))

    def test_account(self):
        answer = self.client.get('/soft-phone/account')
        account = answer.json()
        self.assertEqual((account['uri'], account['password']), ('sip:100@127.0.0.1', 'pw-100'))
        self.assertEqual(answer['Cache-Control'], 'no-store')
        self.assertEqual(account['dialPlan'], {})
        self.assertNotIn('pw-100', Account.objects.get(user_id=self.root.id).secret)
        self.assertEqual(Client().get('/soft-phone/account').status_code, 401)
        egon, client = self.colleague()
        self.assertEqual(client.get('/soft-phone/account').json()['username'], '101')
        # A secret that was moved to another user is refused.
        Account.objects.filter(user_id=egon.id).update(secret=Account.objects.get(user_id=self.root.id).secret)
        moved = client.get('/soft-phone/account')
        self.assertEqual(moved.status_code, 500)
        self.assertNotIn(b'pw-100', moved.content)
        Account.objects.filter(user_id=egon.id).delete()
        self.assertEqual(client.get('/soft-phone/account').status_code, 404)

    def test_element_is_on_whole_pages_of_users_with_a_phone(self):
        page = self.client.get('/').content.decode()
        self.assertEqual(page.count('<soft-phone '), 1)
        self.assertIn('src="/soft-phone/files/creme.js"', page)
        self.assertTrue(page.rstrip().endswith('</html>'))
        self.assertNotIn(b'<soft-phone', Client().get('/creme_login/').content)
        self.assertNotIn(b'<soft-phone', self.client.get('/no/such/page').content)
        Account.objects.all().delete()
        self.assertNotIn(b'<soft-phone', self.client.get('/').content)

    def test_files(self):
        for name, kind in (('creme.js', 'javascript'), ('soft-phone.wasm', 'application/wasm')):
            answer = self.client.get(f'/soft-phone/files/{name}')
            self.assertEqual(answer.status_code, 200, name)
            self.assertIn(kind, answer['Content-Type'])
        for name in ('../README.md', '%2e%2e/README.md', 'no.js', ''):
            self.assertEqual(self.client.get(f'/soft-phone/files/{name}').status_code, 404, name)

    def test_a_call_is_one_activity(self):
        [first] = self.send(event(1, 'ringing'))
        self.assertEqual((first['status'], first['contact']['name']), ('ok', 'Ivan Petrov'))
        self.assertEqual(str(self.cards()[0].status.uuid), constants.UUID_STATUS_IN_PROGRESS)
        self.send(event(2, 'answered', **ANSWERED))
        [last] = self.send(event(3, 'ended', **ENDED))
        [card] = self.cards()
        self.assertEqual((first['record'], last['record']), (str(card.pk), str(card.pk)))
        self.assertEqual(card.title, 'Call from Ivan Petrov')
        self.assertEqual((card.start.isoformat(), card.end.isoformat()), ('2026-01-01T10:00:00+00:00', '2026-01-01T10:01:00+00:00'))
        self.assertEqual(card.description, '+79161234567: answered\n55 s of 60 s')
        self.assertEqual(str(card.status.uuid), constants.UUID_STATUS_DONE)
        self.assertEqual(str(card.sub_type.uuid), constants.UUID_SUBTYPE_PHONECALL_INCOMING)
        self.assertEqual(self.with_whom(card), sorted(['Ivan Petrov', str(self.root.linked_contact)]))
        self.assertEqual(self.client.get(last['url']).status_code, 200)

    def test_replay_adds_nothing(self):
        events = [event(1, 'ringing'), event(2, 'answered', **ANSWERED), event(3, 'ended', **ENDED)]
        self.send(*events)
        state = [(it.pk, it.description, it.end, self.with_whom(it)) for it in self.cards()]
        again = self.send(*reversed(events))
        self.assertEqual([it['status'] for it in again], ['duplicate'] * 3)
        self.assertEqual(again[0]['contact']['name'], 'Ivan Petrov')
        self.assertEqual([(it.pk, it.description, it.end, self.with_whom(it)) for it in self.cards()], state)
        # The end may come first.
        self.assertEqual(self.send(event(3, 'ended', 'c2', **ENDED), event(1, 'ringing', 'c2'))[1]['status'], 'duplicate')
        self.assertEqual(len(self.cards()), 2)

    def test_what_comes_late_and_what_somebody_has_done_meanwhile(self):
        self.send(event(3, 'ended', **ENDED))
        Activity.objects.filter(pk=self.cards()[0].pk).update(minutes='by hand')
        self.send(event(4, 'updated', **ENDED, **{'recordingUrl': 'https://pbx/1.wav'}))
        self.assertEqual((self.cards()[0].minutes, self.cards()[0].description.splitlines()[-1]), ('by hand', 'https://pbx/1.wav'))
        self.send(event(5, 'updated', **ENDED, **{'notes': '<b>yes</b>', 'outcome': 'Sold'}))
        self.assertEqual(self.cards()[0].minutes, 'Sold\n<b>yes</b>')
        self.cards()[0].delete()
        self.assertEqual(self.send(event(6, 'updated', **ENDED))[0]['record'], None)
        self.assertEqual(self.cards(), [])

    def test_calls_that_nobody_answered(self):
        for end in ('missed', 'busy', 'rejected', 'cancelled', 'failed'):
            self.send(event(1, 'ended', end, disposition=end, endedAt='2026-01-01T10:00:09.000Z'))
            card = self.cards()[-1]
            self.assertEqual((str(card.status.uuid), card.description.splitlines()[0]), (constants.UUID_STATUS_UNSUCCESSFUL, f'+79161234567: {end}'))

    def test_token_and_session(self):
        form = {'events': json.dumps([event(1, 'ringing')])}
        self.token()
        _, client = self.colleague()
        for extra in ({}, {'csrfmiddlewaretoken': 'x' * 64}, {'csrfmiddlewaretoken': self.token(client)}):
            self.assertEqual(self.client.post('/soft-phone/calls', {**form, **extra}).status_code, 403, extra)
        self.assertEqual(Client().post('/soft-phone/calls', form).status_code, 401)
        self.assertEqual(self.client.get('/soft-phone/calls').status_code, 405)
        self.assertEqual(self.cards(), [])

    def test_another_users_call_is_refused(self):
        self.send(event(1, 'ringing'))
        _, client = self.colleague()
        [refused] = self.send(event(9, 'ended', **ENDED), client=client)
        self.assertEqual(set(refused), {'id', 'status', 'message'})
        self.assertEqual((refused['status'], len(self.cards()), Call.objects.get(pk='c1').seq), ('error', 1, 1))

    def test_numbers(self):
        def found(number, client=self.client):
            return [it['name'] for it in client.get('/soft-phone/lookup', {'number': number}).json()['candidates']]
        for form in ('+79161234567', '8 916 123-45-67', '9161234567;ext=2'):
            self.assertEqual(found(form), ['Ivan Petrov'], form)
        self.assertEqual(found('84957654321'), ['Romashka'])
        self.assertEqual((found('1234'), found('234'), found('61234567'), found('')), (['Short Number'], [], [], []))
        for hostile in ("' OR 1=1 --", '%', "9161234568' UNION SELECT 1 --", '_________'):
            self.assertEqual(found(hostile), [], hostile)
            self.assertEqual(self.send(event(1, 'ringing', f'h{len(hostile)}', **{'from': hostile}))[0]['status'], 'ok')
        Contact.objects.create(user=self.root, first_name='Maria', last_name='Petrova', phone='+7 916 123 45 67')
        [result] = self.send(event(1, 'ringing'))
        self.assertEqual((result['contact'], len(result['candidates'])), (None, 2))
        [chosen] = self.send(event(2, 'updated', contact={'id': result['candidates'][1]['id']}))
        self.assertEqual(chosen['contact']['name'], 'Maria Petrova')
        self.assertEqual(self.send(event(3, 'ended', **ENDED))[0]['contact']['name'], 'Maria Petrova')

    def test_what_is_no_event(self):
        bad = [{}, 'x', None, event(0, 'ringing'), event(True, 'ringing'), event(1, 'ringing', 'a b'),
               event(1, 'ringing', direction='up'), event(1, 'ringing', startedAt='today'), event(1, 'ended', disposition='lost')]
        self.assertEqual([it['status'] for it in self.send(*bad, event(1, 'ringing'))], ['error'] * len(bad) + ['ok'])
        for events in ('', '{}', '[', '[]'):
            form = {'csrfmiddlewaretoken': self.token(), 'events': events}
            self.assertEqual(self.client.post('/soft-phone/calls', form).status_code, 400, events)
        form = {'csrfmiddlewaretoken': self.token(), 'events': json.dumps([{}] * 201)}
        self.assertEqual(self.client.post('/soft-phone/calls', form).status_code, 413)


if __name__ == '__main__':
    # Refusals are what is tested; Django would log each.
    logging.disable(logging.CRITICAL)
    unittest.main(warnings='ignore')
