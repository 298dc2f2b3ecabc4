<?php
/** A vtiger with the module, two users with phones, and contacts with numbers in the forms that people write. */

const ADMIN = 1;
const ALICE = 5;
const BOB = 6;
const NOBODYS_PHONE = 7;
const SECRET = "s3cret & <b>'\"";

function world()
{
    $db = PearDatabase::fresh();
    Users_Privileges_Model::$hidden = array();
    PearDatabase::$refuse = false;
    Vtiger_Module::$links = array();
    Vtiger_Field::$added = array();
    $module = new SoftPhone();
    $module->vtlib_handler('SoftPhone', 'module.postinstall');
    $accounts = new SoftPhone_Accounts_Model($db);
    $accounts->saveSettings(array(
        'server' => 'wss://pbx.example.com/ws', 'domain' => 'example.com', 'country' => 'RU', 'outPrefix' => '9', 'window' => 'page',
    ));
    $accounts->save(ALICE, '1001', '', SECRET, 'Alice');
    $accounts->save(BOB, '1002', 'bob', 'another', 'Bob');
    foreach (array(ADMIN => 'Root', ALICE => 'Alice', BOB => 'Bob', NOBODYS_PHONE => 'Carol') as $id => $name) {
        $db->pquery('INSERT INTO vtiger_users VALUES (?,?,?,?,0)', array($id, $name, 'Smith', 'Active'));
    }
    contact($db, 2, 'Contacts', 'Ivan &amp; Co', '+7 (916) 123-45-67');
    contact($db, 3, 'Leads', 'Lead', '8 495 765 43 21');
    contact($db, 4, 'Accounts', 'Short', '1234');
    return $db;
}

/** As PBXManager keeps numbers, forwards and reversed. */
function contact($db, $id, $kind, $label, $number, $deleted = 0)
{
    $plain = preg_replace('/[-()\s+]/', '', $number);
    $db->pquery('INSERT INTO vtiger_crmentity (crmid, setype, label, deleted) VALUES (?,?,?,?)', array($id, $kind, $label, $deleted));
    $db->pquery('INSERT INTO vtiger_pbxmanager_phonelookup VALUES (?,?,?,?,?)', array($id, $kind, $plain, strrev($plain), 'phone'));
}

function event($seq, $state, array $call = array(), $id = 'call-1')
{
    return array('id' => "$id-$seq", 'seq' => $seq, 'state' => $state, 'at' => '2026-01-01T10:00:00.000Z', 'call' => $call + array(
        'id' => $id, 'sipCallId' => 'x@y', 'direction' => 'inbound', 'from' => '89161234567', 'to' => '1001', 'peerRaw' => '8 916…',
        'startedAt' => '2026-01-01T10:00:00.000Z', 'answeredAt' => null, 'endedAt' => null, 'totalSeconds' => 0, 'talkSeconds' => 0,
        'disposition' => null, 'sipStatus' => 180, 'recordingUrl' => null, 'notes' => '', 'outcome' => null, 'contact' => null,
    ));
}

function answered(array $call = array())
{
    return $call + array('answeredAt' => '2026-01-01T10:00:05.000Z');
}

function ended(array $call = array())
{
    return answered($call + array('endedAt' => '2026-01-01T10:01:00.000Z', 'totalSeconds' => 60, 'talkSeconds' => 55, 'disposition' => 'answered'));
}

/** All cards, with who they are assigned to and what is written on them. */
function cards($db)
{
    $result = $db->pquery('SELECT p.*, e.smownerid, e.description FROM vtiger_pbxmanager p INNER JOIN vtiger_crmentity e ON e.crmid=p.pbxmanagerid ORDER BY 1', array());
    return $result->rows;
}

/** The results of the answer, which must be one. */
function results(array $answer)
{
    same(200, $answer['status'], $answer['body']);
    return $answer['json']['results'];
}
