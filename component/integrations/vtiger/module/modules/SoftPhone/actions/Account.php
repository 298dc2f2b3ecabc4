<?php
/** GET: the account of whoever is signed in, and the token that its calls are to come with. */
class SoftPhone_Account_Action extends SoftPhone_Endpoint_Model
{
    protected function answer(Vtiger_Request $request, $user, $db)
    {
        $accounts = new SoftPhone_Accounts_Model($db);
        $document = $accounts->document((int) $user->id, trim($user->first_name . ' ' . $user->last_name));
        if ($document === null) {
            SoftPhone_Answer_Model::send(404, array('message' => 'this user has no phone'));
            return;
        }
        $document['csrf'] = array('name' => $GLOBALS['csrf']['input-name'], 'value' => csrf_get_tokens());
        SoftPhone_Answer_Model::send(200, $document);
    }
}
