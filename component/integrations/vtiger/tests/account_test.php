<?php
/** The account, the key of its secret, and the administrator's page. */

function account($user)
{
    return Front::ask(array('module' => 'SoftPhone', 'action' => 'Account'), null, $user);
}

function test_account_is_the_users_own($db)
{
    $answer = account(ALICE);
    same(200, $answer['status']);
    $account = $answer['json'];
    same('sip:1001@example.com', $account['uri']);
    same(SECRET, $account['password']);
    same(array('wss://pbx.example.com/ws'), $account['server']);
    same((string) ALICE, $account['user']['id']);
    same(array('country' => 'RU', 'outPrefix' => '9'), $account['dialPlan']);
    same(array('name' => '__vtrftk', 'value' => csrf_get_tokens()), $account['csrf']);
    holds(strpos($answer['body'], 'another') === false, 'Bob\'s password in Alice\'s account');
    same('bob', account(BOB)['json']['username']);
}

function test_what_is_not_set_is_not_in_the_account($db)
{
    $accounts = new SoftPhone_Accounts_Model($db);
    $accounts->saveSettings(array('country' => '', 'outPrefix' => '') + $accounts->settings());
    holds(strpos(account(ALICE)['body'], '"dialPlan":{}') !== false, account(ALICE)['body']);
    $accounts->saveSettings(array('outPrefix' => '0') + $accounts->settings());
    same(array('outPrefix' => '0'), account(ALICE)['json']['dialPlan']);
}

function test_account_needs_a_session_and_a_phone($db)
{
    same(401, account(0)['status']);
    same(404, account(NOBODYS_PHONE)['status']);
    $db->pquery('DELETE FROM softphone_setting', array());
    same(404, account(ALICE)['status'], 'without a server');
}

function test_secret_is_sealed_for_its_user_with_a_key_outside_of_the_database($db)
{
    $rows = $db->pquery('SELECT * FROM softphone_account ORDER BY userid', array())->rows;
    holds(strpos(json_encode($rows), 's3cret') === false, 'the password as it is');
    same(0600, fileperms(SoftPhone_Secret_Model::path()) & 0777);
    same('', shell_exec('php ' . escapeshellarg(SoftPhone_Secret_Model::path()) . ' 2>&1') ?? '', 'what the key file prints');
    // Moved to another user, or changed: refused, and no word of why to the browser.
    $db->pquery('UPDATE softphone_account SET secret=? WHERE userid=?', array($rows[0]['secret'], BOB));
    $answer = account(BOB);
    same(500, $answer['status']);
    holds(strpos($answer['body'], 's3cret') === false && strpos($answer['body'], 'changed') === false, $answer['body']);
    unlink(SoftPhone_Secret_Model::path());
    same(500, account(ALICE)['status'], 'without the key');
    holds(!is_file(SoftPhone_Secret_Model::path()), 'a new key where the old one is missing');
}

function test_two_seals_of_one_password_differ($db)
{
    holds(SoftPhone_Secret_Model::seal('a', 1) !== SoftPhone_Secret_Model::seal('a', 1), 'the same twice');
}

function test_page_tells_nothing_secret($db)
{
    $ask = function ($user) {
        return Front::ask(array('module' => 'SoftPhone', 'action' => 'Page'), null, $user);
    };
    same(array('phone' => true, 'window' => 'page', 'country' => 'RU', 'lang' => 'en'), $ask(ALICE)['json']);
    same(false, $ask(NOBODYS_PHONE)['json']['phone']);
    same(401, $ask(0)['status']);
    $GLOBALS['current_language'] = 'ru_ru';
    same('ru', $ask(ALICE)['json']['lang']);
    unset($GLOBALS['current_language']);
}

function save_settings(array $fields, $user, $token = null)
{
    $GLOBALS['current_user'] = (object) array('id' => $user);
    $post = $fields + array('__vtrftk' => $token === null ? csrf_get_tokens() : $token);
    return Front::ask(array('module' => 'SoftPhone', 'parent' => 'Settings', 'action' => 'Save'), $post, $user);
}

function test_administrator_sets_accounts_and_nobody_else($db)
{
    $account = array('mode' => 'account', 'userid' => NOBODYS_PHONE, 'number' => '1003', 'username' => '', 'displayname' => 'C', 'secret' => 'p');
    holds(strpos(save_settings($account, ALICE)['body'], 'LBL_PERMISSION_DENIED') !== false, 'Alice may');
    same('Invalid request', save_settings($account, ADMIN, 'sid:wrong')['body']);
    same(404, account(NOBODYS_PHONE)['status']);
    save_settings($account, ADMIN);
    same('p', account(NOBODYS_PHONE)['json']['password']);
    // An empty password stays what it was; the number does not.
    save_settings(array('secret' => '', 'number' => '1009') + $account, ADMIN);
    same(array('sip:1009@example.com', 'p'), array(account(NOBODYS_PHONE)['json']['uri'], account(NOBODYS_PHONE)['json']['password']));
    save_settings(array('number' => "10\n@evil") + $account, ADMIN);
    save_settings(array('userid' => 99) + $account, ADMIN);
    same('sip:1009@example.com', account(NOBODYS_PHONE)['json']['uri']);
    save_settings(array('mode' => 'remove') + $account, ADMIN);
    same(404, account(NOBODYS_PHONE)['status']);
    same(3, count((new SoftPhone_Accounts_Model($db))->all()) + 1, 'accounts');
}

function test_administrators_page_shows_no_password_and_escapes_names($db)
{
    $db->pquery('UPDATE softphone_account SET displayname=? WHERE userid=?', array('<script>alert(1)</script>', ALICE));
    $ask = function ($user) {
        return Front::ask(array('module' => 'SoftPhone', 'parent' => 'Settings', 'view' => 'Index', 'message' => '<i>x'), null, $user)['body'];
    };
    $page = $ask(ADMIN);
    holds(strpos($page, '1001') !== false && strpos($page, 'Carol Smith') !== false, $page);
    foreach (array('s3cret', 'another', '<script>', '<i>', 'v1:') as $bad) {
        holds(strpos($page, $bad) === false, "$bad in $page");
    }
    holds(strpos($ask(ALICE), '1001') === false, 'Alice sees it');
}

function test_servers_are_encrypted_or_of_this_machine($db)
{
    $accounts = new SoftPhone_Accounts_Model($db);
    $settings = $accounts->settings();
    foreach (array('ws://pbx.example.com/', 'https://x', '', 'wss://a b', 'ws://127.0.0.1.evil.com/') as $bad) {
        try {
            $accounts->saveSettings(array('server' => $bad) + $settings);
            throw new LogicException("$bad was taken");
        } catch (InvalidArgumentException $error) {
            holds(strpos($error->getMessage(), 'LBL_') === 0, $error->getMessage());
        }
    }
    $accounts->saveSettings(array('server' => "wss://a/ws\n ws://127.0.0.1:8088/ws") + $settings);
    same(array('wss://a/ws', 'ws://127.0.0.1:8088/ws'), account(ALICE)['json']['server']);
}

function test_module_comes_and_goes_as_a_whole($db)
{
    $module = new SoftPhone();
    $settings = function () use ($db) {
        return count($db->pquery('SELECT * FROM vtiger_settings_field', array())->rows);
    };
    same(array(1, 1, true), array(count(Vtiger_Module::$links), $settings(), isset(Vtiger_Field::$added['description'])));
    $module->vtlib_handler('SoftPhone', 'module.enabled');
    same(array(1, 1), array(count(Vtiger_Module::$links), $settings()), 'enabled again');
    $module->vtlib_handler('SoftPhone', 'module.disabled');
    same(array(0, 0), array(count(Vtiger_Module::$links), $settings()));
    $module->vtlib_handler('SoftPhone', 'module.postupdate');
    same('sip:1001@example.com', account(ALICE)['json']['uri'], 'after an update');
    $module->vtlib_handler('SoftPhone', 'module.preuninstall');
    same(array(), $db->pquery("SELECT name FROM sqlite_master WHERE name LIKE 'softphone%' AND type='table'", array())->rows);
}

function test_every_language_has_every_word($db)
{
    foreach (array('', 'Settings/') as $folder) {
        $keys = array();
        foreach (array('en_us', 'ru_ru') as $language) {
            include $GLOBALS['module_folder'] . "/languages/$language/{$folder}SoftPhone.php";
            $keys[] = array_keys($languageStrings);
        }
        same($keys[0], $keys[1]);
    }
    $source = '';
    foreach (array('settings/views/Index', 'settings/actions/Save', 'modules/SoftPhone/models/Accounts') as $file) {
        $source .= file_get_contents($GLOBALS['module_folder'] . "/$file.php");
    }
    preg_match_all("/'(LBL_[A-Z_]+)'/", $source, $used);
    same(array('LBL_PERMISSION_DENIED'), array_values(array_diff(array_unique($used[1]), $keys[0])), 'vtiger\'s own');
}
