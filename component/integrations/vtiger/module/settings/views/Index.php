<?php
/** The administrator's page: the server of all, and each user's account. No password is ever shown. */
class Settings_SoftPhone_Index_View extends Settings_Vtiger_Index_View
{
    public function process(Vtiger_Request $request)
    {
        $accounts = new SoftPhone_Accounts_Model(PearDatabase::getInstance());
        $users = Settings_SoftPhone_Users_Model::active(PearDatabase::getInstance());
        $known = $accounts->all();
        $html = '<div class="container-fluid"><h3>' . self::word('LBL_SOFTPHONE') . '</h3>';
        $message = (string) $request->get('message');
        if ($message !== '') {
            $html .= '<div class="alert alert-info" role="status">' . self::word($message) . '</div>';
        }
        echo $html . $this->settings($accounts->settings()) . $this->accounts($users, $known) . '</div>';
    }

    private function settings(array $settings)
    {
        return '<form method="post" action="index.php">' . self::hidden('settings')
            . self::field('LBL_SERVER', 'server', $settings['server'], 'wss://pbx.example.com/ws')
            . self::field('LBL_DOMAIN', 'domain', $settings['domain'], 'example.com')
            . self::field('LBL_COUNTRY', 'country', $settings['country'], 'RU')
            . self::field('LBL_OUT_PREFIX', 'outPrefix', $settings['outPrefix'], '9')
            . '<p><label>' . self::word('LBL_WINDOW') . ' <select name="window">'
            . self::option('page', 'LBL_WINDOW_PAGE', $settings['window'])
            . self::option('popup', 'LBL_WINDOW_POPUP', $settings['window'])
            . '</select></label></p><p><button class="btn btn-success">' . self::word('LBL_SAVE') . '</button></p></form>';
    }

    private function accounts(array $users, array $known)
    {
        $html = '<h4>' . self::word('LBL_ACCOUNTS') . '</h4>';
        foreach ($users as $id => $name) {
            $account = isset($known[$id]) ? $known[$id] : array('number' => '', 'username' => '', 'displayname' => $name);
            $html .= '<form method="post" action="index.php"><fieldset><legend>' . self::text($name) . '</legend>'
                . self::hidden('account') . '<input type="hidden" name="userid" value="' . (int) $id . '">'
                . self::field('LBL_NUMBER', 'number', $account['number'], '1001')
                . self::field('LBL_USERNAME', 'username', $account['username'], '')
                . self::field('LBL_DISPLAY_NAME', 'displayname', $account['displayname'], '')
                . '<p><label>' . self::word('LBL_PASSWORD') . ' <input type="password" name="secret" autocomplete="new-password"'
                . ' placeholder="' . (isset($known[$id]) ? self::word('LBL_UNCHANGED') : '') . '"></label></p>'
                . '<p><button class="btn btn-success" name="mode" value="account">' . self::word('LBL_SAVE') . '</button>'
                . (isset($known[$id])
                    ? ' <button class="btn btn-danger" name="mode" value="remove">' . self::word('LBL_REMOVE') . '</button>' : '')
                . '</p></fieldset></form>';
        }
        return $html;
    }

    /** vtiger adds its token to each form that is posted. */
    private static function hidden($mode)
    {
        return '<input type="hidden" name="module" value="SoftPhone"><input type="hidden" name="parent" value="Settings">'
            . '<input type="hidden" name="action" value="Save"><input type="hidden" name="mode" value="' . $mode . '">';
    }

    private static function field($label, $name, $value, $example)
    {
        return '<p><label>' . self::word($label) . ' <input type="text" name="' . $name . '" value="' . self::text($value)
            . '" placeholder="' . $example . '"></label></p>';
    }

    private static function option($value, $label, $chosen)
    {
        return '<option value="' . $value . '"' . ($value === $chosen ? ' selected' : '') . '>' . self::word($label) . '</option>';
    }

    private static function word($key)
    {
        return self::text(vtranslate($key, 'Settings:SoftPhone'));
    }

    private static function text($text)
    {
        return htmlspecialchars((string) $text, ENT_QUOTES, 'UTF-8');
    }
}
