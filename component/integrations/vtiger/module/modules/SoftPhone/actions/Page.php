<?php
/** GET: what the script on vtiger's pages needs to know before it makes a phone. Nothing secret. */
class SoftPhone_Page_Action extends SoftPhone_Endpoint_Model
{
    protected function answer(Vtiger_Request $request, $user, $db)
    {
        $accounts = new SoftPhone_Accounts_Model($db);
        $settings = $accounts->settings();
        $language = Vtiger_Language_Handler::getLanguage();
        SoftPhone_Answer_Model::send(200, array(
            'phone' => $accounts->has((int) $user->id),
            'window' => $settings['window'],
            'country' => $settings['country'],
            // vtiger says `ru_ru`.
            'lang' => strtolower(substr($language, 0, 2)),
        ));
    }
}
