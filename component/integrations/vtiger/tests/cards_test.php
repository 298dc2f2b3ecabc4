<?php
/** Cards of calls: one for each, whoever sends what how often. */

function test_ringing_answered_ended_is_one_card($db)
{
    $first = results(Front::events(array(event(1, 'ringing')), ALICE))[0];
    same('ok', $first['status']);
    same(array('type' => 'Contacts', 'id' => '2', 'name' => 'Ivan & Co'), array_intersect_key($first['contact'], array_flip(array('type', 'id', 'name'))));
    $card = cards($db)[0];
    same(array('ringing', 'inbound', '2026-01-01 10:00:00', '89161234567', '2', 'Contacts', (string) ALICE, 'SoftPhone'),
        array($card['callstatus'], $card['direction'], $card['starttime'], $card['customernumber'], $card['customer'], $card['customertype'], $card['user'], $card['gateway']));
    same(ALICE, $card['smownerid']);
    results(Front::events(array(event(2, 'answered', answered())), ALICE));
    same('in-progress', cards($db)[0]['callstatus']);
    $last = results(Front::events(array(event(3, 'ended', ended())), ALICE))[0];
    same($first['record'], $last['record']);
    $cards = cards($db);
    same(1, count($cards));
    same(array('completed', '2026-01-01 10:01:00', 60, 55, 'call-1'),
        array($cards[0]['callstatus'], $cards[0]['endtime'], $cards[0]['totalduration'], $cards[0]['billduration'], $cards[0]['sourceuuid']));
}

function test_replay_is_a_duplicate_and_a_lower_number_changes_nothing($db)
{
    $events = array(event(1, 'ringing'), event(2, 'answered', answered()), event(3, 'ended', ended()));
    results(Front::events($events, ALICE));
    $before = cards($db);
    $again = results(Front::events(array_reverse($events), ALICE));
    same(array('duplicate', 'duplicate', 'duplicate'), array_column($again, 'status'));
    same((string) $before[0]['pbxmanagerid'], $again[0]['record']);
    same('2', $again[0]['contact']['id'], 'the contact of a duplicate');
    same($before, cards($db));
    // What comes first may be the end, by a beacon.
    same('ok', results(Front::events(array(event(3, 'ended', ended(), 'other')), ALICE))[0]['status']);
    same('duplicate', results(Front::events(array(event(1, 'ringing', array(), 'other')), ALICE))[0]['status']);
    same('completed', cards($db)[1]['callstatus']);
}

function test_what_comes_late_is_added($db)
{
    results(Front::events(array(event(3, 'ended', ended())), ALICE));
    $db->pquery('UPDATE vtiger_crmentity SET description=? WHERE crmid=?', array('by hand', cards($db)[0]['pbxmanagerid']));
    $late = ended(array('recordingUrl' => 'https://pbx.example.com/rec/1.wav'));
    results(Front::events(array(event(4, 'updated', $late)), ALICE));
    $card = cards($db)[0];
    same(array('https://pbx.example.com/rec/1.wav', 'completed', 'by hand'), array($card['recordingurl'], $card['callstatus'], $card['description']));
    results(Front::events(array(event(5, 'updated', array('notes' => "He said <b>yes</b> \u{1F600}", 'outcome' => 'Sold') + $late)), ALICE));
    same("Sold\nHe said <b>yes</b> \u{FFFD}", cards($db)[0]['description']);
    results(Front::events(array(event(6, 'updated', array('recordingUrl' => 'javascript:alert(1)') + $late)), ALICE));
    same('', cards($db)[0]['recordingurl']);
}

function test_each_end_has_its_status($db)
{
    $ends = array('answered' => 'completed', 'missed' => 'no-answer', 'busy' => 'busy', 'rejected' => 'busy', 'cancelled' => 'no-answer', 'failed' => 'failed');
    foreach ($ends as $disposition => $status) {
        results(Front::events(array(event(1, 'ended', array('disposition' => $disposition, 'endedAt' => '2026-01-01T10:00:09.000Z'), $disposition)), ALICE));
        $cards = cards($db);
        same($status, end($cards)['callstatus'], $disposition);
    }
    results(Front::events(array(event(1, 'ended', ended(array('disposition' => 'interrupted')), 'i1'), event(1, 'ended', array('disposition' => 'interrupted'), 'i2')), ALICE));
    same(array('completed', 'no-answer'), array_slice(array_column(cards($db), 'callstatus'), -2));
}

function test_token_and_session_are_asked_for($db)
{
    $events = array('events' => json_encode(array(event(1, 'ringing'))));
    $address = array('module' => 'SoftPhone', 'action' => 'CallEvent');
    foreach (array($events, $events + array('__vtrftk' => 'sid:0')) as $post) {
        $answer = Front::ask($address, $post, ALICE);
        same('Invalid request', $answer['body']);
    }
    // Somebody else's token.
    $GLOBALS['current_user'] = (object) array('id' => BOB);
    same('Invalid request', Front::ask($address, $events + array('__vtrftk' => csrf_get_tokens()), ALICE)['body']);
    same(false, Front::ask($address + $events, null, ALICE)['json']['success'], 'a GET');
    $GLOBALS['current_user'] = (object) array('id' => ALICE);
    $token = array('__vtrftk' => csrf_get_tokens());
    $_SERVER['HTTP_REFERER'] = 'https://evil.example/';
    $forged = Front::ask($address, $events + $token, ALICE);
    unset($_SERVER['HTTP_REFERER']);
    holds(!isset($forged['json']['results']), $forged['body']);
    $GLOBALS['current_user'] = null;
    same(401, Front::ask($address, $events + array('__vtrftk' => csrf_get_tokens()), 0)['status']);
    same(array(), cards($db));
}

function test_another_users_call_is_refused($db)
{
    results(Front::events(array(event(1, 'ringing')), ALICE));
    $before = cards($db);
    $refused = results(Front::events(array(event(9, 'ended', ended(array('notes' => 'mine now')))), BOB))[0];
    same('error', $refused['status']);
    same(array('id', 'status', 'message'), array_keys($refused), 'what Bob learns');
    same($before, cards($db));
    same('ok', results(Front::events(array(event(2, 'ended', ended())), ALICE))[0]['status']);
    same('ok', results(Front::events(array(event(1, 'ended', ended(), 'bobs')), BOB))[0]['status']);
    same((string) BOB, cards($db)[1]['user']);
}

function test_sql_in_a_number_is_a_number($db)
{
    $hostile = array("1' OR '1'='1", "'; DROP TABLE vtiger_pbxmanager; --", '%', "79161234567' UNION SELECT secret FROM softphone_account --", '___________');
    foreach ($hostile as $at => $number) {
        $found = results(Front::events(array(event(1, 'ringing', array('from' => $number), "h$at")), ALICE))[0];
        same('ok', $found['status'], $number);
        $cards = cards($db);
        same($number, end($cards)['customernumber']);
        $digits = preg_replace('/\D/', '', $number);
        same($digits === '79161234567' ? '2' : null, isset($found['contact']) ? $found['contact']['id'] : null, $number);
        $looked = Front::ask(array('module' => 'SoftPhone', 'action' => 'Lookup', 'number' => $number), null, ALICE);
        same($digits === '79161234567' ? 1 : 0, count($looked['json']['candidates']), $number);
    }
    same('error', results(Front::events(array(event(1, 'ringing', array(), "x' OR 1=1 --")), ALICE))[0]['status']);
    same(count($hostile), count(cards($db)));
    foreach (PearDatabase::$texts as $text) {
        holds(!preg_match('/79161234567|DROP TABLE vtiger|UNION/', $text), "a value in $text");
    }
}

function test_what_is_no_event_is_said_to_be_none($db)
{
    $good = event(1, 'ringing', array(), 'good');
    $bad = array(
        array('seq' => 0) + $good, array('seq' => '1') + $good, array('state' => 'gone') + $good, array('call' => 'x') + $good, array('id' => array()) + $good,
        'text', null, event(1, 'ringing', array('direction' => 'sideways'), 'sideways'), event(1, 'ringing', array(), str_repeat('x', 65)),
    );
    $results = results(Front::events(array_merge($bad, array($good)), ALICE));
    same(array_merge(array_fill(0, count($bad), 'error'), array('ok')), array_column($results, 'status'));
    same(1, count(cards($db)));
    $post = function ($events) {
        $token = Front::ask(array('module' => 'SoftPhone', 'action' => 'Account'), null, ALICE)['json']['csrf']['value'];
        return Front::ask(array('module' => 'SoftPhone', 'action' => 'CallEvent'), array('__vtrftk' => $token, 'events' => $events), ALICE)['status'];
    };
    same(array(400, 400, 400, 400), array_map($post, array('', '{"a":1}', '[', "[\"\xff\"]")));
    same(413, $post(json_encode(array_fill(0, 201, $good))));
}

function test_a_database_that_fails_is_asked_again_and_keeps_no_half($db)
{
    PearDatabase::$refuse = true;
    $answer = Front::events(array(event(1, 'ringing')), ALICE);
    same(500, $answer['status']);
    holds(strpos($answer['body'], 'database') === false, $answer['body']);
    same(array(), $db->pquery('SELECT * FROM softphone_call', array())->rows, 'the number of an event that was not taken');
    PearDatabase::$refuse = false;
    same('ok', results(Front::events(array(event(1, 'ringing')), ALICE))[0]['status']);
    same(1, count(cards($db)));
}

function test_no_answer_holds_a_secret($db)
{
    $events = Front::events(array(event(1, 'ringing'), event(2, 'ended', ended())), ALICE);
    $looked = Front::ask(array('module' => 'SoftPhone', 'action' => 'Lookup', 'number' => '+79161234567'), null, ALICE);
    foreach (array($events['body'], $looked['body'], json_encode(cards($db))) as $text) {
        holds(strpos($text, 's3cret') === false && strpos($text, 'v1:') === false, $text);
    }
}
