<?php
/** GET `number`: everybody with this number whom the user may see. */
class SoftPhone_Lookup_Action extends SoftPhone_Endpoint_Model
{
    protected function answer(Vtiger_Request $request, $user, $db)
    {
        $contacts = new SoftPhone_Contacts_Model($db);
        $number = SoftPhone_Text_Model::limited($request->getRaw('number'), 100);
        SoftPhone_Answer_Model::send(200, array('candidates' => $contacts->withNumber($number)));
    }
}
