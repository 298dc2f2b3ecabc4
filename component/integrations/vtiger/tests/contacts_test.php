<?php
/** Who has a number, in whatever form it comes. */

function looked_up($number, $user = ALICE)
{
    $answer = Front::ask(array('module' => 'SoftPhone', 'action' => 'Lookup', 'number' => $number), null, $user);
    same(200, $answer['status'], $answer['body']);
    return array_column($answer['json']['candidates'], 'id');
}

function test_the_last_nine_digits_tell($db)
{
    foreach (array('+79161234567', '89161234567', '8 (916) 123-45-67', '9161234567', '+7 916 123-45-67 доб. 12', '89161234567;ext=3') as $form) {
        same(array('2'), looked_up($form), $form);
    }
    same(array('3'), looked_up('+74957654321'));
    foreach (array('61234567', '89161234568', '', 'anonymous', '12') as $none) {
        same(array(), looked_up($none), $none);
    }
}

function test_a_short_number_is_whole($db)
{
    same(array('4'), looked_up('1234'));
    contact($db, 10, 'Contacts', 'Ends in it', '+7 495 000-12-34');
    same(array('4'), looked_up('1234'));
    same(array(), looked_up('234'));
}

function test_of_two_people_none_is_taken_for_the_caller($db)
{
    contact($db, 11, 'Leads', 'Wife', '8-916-123-45-67');
    same(array('2', '11'), looked_up('+79161234567'));
    $result = results(Front::events(array(event(1, 'ringing')), ALICE))[0];
    same(null, $result['contact']);
    same(array('2', '11'), array_column($result['candidates'], 'id'));
    same('', cards($db)[0]['customer']);
    // Somebody chooses; later events that say nothing of it keep the choice.
    $chosen = results(Front::events(array(event(2, 'updated', array('contact' => array('type' => 'Leads', 'id' => '11')))), ALICE))[0];
    same('11', $chosen['contact']['id']);
    results(Front::events(array(event(3, 'ended', ended())), ALICE));
    same(array('11', 'Leads'), array(cards($db)[0]['customer'], cards($db)[0]['customertype']));
}

function test_what_the_user_may_not_see_is_not_shown($db)
{
    Users_Privileges_Model::$hidden = array(2);
    same(array(), looked_up('+79161234567'));
    same(array('2'), looked_up('+79161234567', ADMIN));
    $result = results(Front::events(array(event(1, 'ringing', array('contact' => array('id' => '2')))), ALICE))[0];
    same(null, $result['contact'], 'chosen all the same');
    contact($db, 12, 'Contacts', 'Gone', '+7 999 111-22-33', 1);
    same(array(), looked_up('+79991112233'), 'deleted');
    same(401, Front::ask(array('module' => 'SoftPhone', 'action' => 'Lookup', 'number' => '1'), null, 0)['status']);
}

function test_the_company_comes_too($db)
{
    $db->pquery('INSERT INTO vtiger_contactdetails VALUES (2, 4)', array());
    $db->pquery('INSERT INTO vtiger_account VALUES (4, ?)', array('Rogа & Kopyta'));
    $db->pquery('INSERT INTO vtiger_leaddetails VALUES (3, ?)', array('Lead Ltd'));
    $company = function ($number) {
        $answer = Front::ask(array('module' => 'SoftPhone', 'action' => 'Lookup', 'number' => $number), null, ALICE);
        return $answer['json']['candidates'][0]['company'];
    };
    same(array('Rogа & Kopyta', 'Lead Ltd', ''), array_map($company, array('+79161234567', '+74957654321', '1234')));
}

function test_a_call_out_is_matched_by_whom_it_goes_to($db)
{
    $call = array('direction' => 'outbound', 'from' => '1001', 'to' => '+74957654321');
    same('3', results(Front::events(array(event(1, 'ringing', $call)), ALICE))[0]['contact']['id']);
    same(array('outbound', '+74957654321', 'Leads'), array(cards($db)[0]['direction'], cards($db)[0]['customernumber'], cards($db)[0]['customertype']));
}
