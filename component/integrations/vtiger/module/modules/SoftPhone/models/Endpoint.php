<?php
/**
 * What the phone asks for. vtiger answers who is not signed in with a redirect to a page; a phone needs a status, so these
 * look for the user themselves.
 */
abstract class SoftPhone_Endpoint_Model extends Vtiger_Action_Controller
{
    public function loginRequired()
    {
        return false;
    }

    /** The user's own account and calls: whoever is signed in may have them. */
    public function checkPermission(Vtiger_Request $request)
    {
        return true;
    }

    public function process(Vtiger_Request $request)
    {
        $user = SoftPhone_Answer_Model::user();
        if (!$user) {
            SoftPhone_Answer_Model::send(401, array('message' => 'sign in first'));
            return;
        }
        try {
            $this->answer($request, $user, PearDatabase::getInstance());
        } catch (Exception $error) {
            SoftPhone_Answer_Model::failed($error);
        } catch (Throwable $error) {
            SoftPhone_Answer_Model::failed($error);
        }
    }

    abstract protected function answer(Vtiger_Request $request, $user, $db);
}
