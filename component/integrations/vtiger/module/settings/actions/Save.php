<?php
/** POST of the administrator's page: `mode` is settings, account or remove. */
class Settings_SoftPhone_Save_Action extends Vtiger_Action_Controller
{
    public function validateRequest(Vtiger_Request $request)
    {
        return $request->validateWriteAccess();
    }

    public function checkPermission(Vtiger_Request $request)
    {
        if (!Users_Record_Model::getCurrentUserModel()->isAdminUser()) {
            throw new AppException(vtranslate('LBL_PERMISSION_DENIED', 'Vtiger'));
        }
        return true;
    }

    public function process(Vtiger_Request $request)
    {
        $db = PearDatabase::getInstance();
        $accounts = new SoftPhone_Accounts_Model($db);
        $message = 'LBL_SAVED';
        try {
            $this->save($request, $accounts, $db);
        } catch (InvalidArgumentException $error) {
            $message = $error->getMessage();
        } catch (Exception $error) {
            error_log('SoftPhone: ' . $error->getMessage());
            $message = 'LBL_KEY_TROUBLE';
        }
        header('Location: ' . SoftPhone::SETTINGS . '&message=' . $message);
    }

    private function save(Vtiger_Request $request, SoftPhone_Accounts_Model $accounts, $db)
    {
        if ($request->get('mode') === 'settings') {
            $accounts->saveSettings(array(
                'server' => self::field($request, 'server'),
                'domain' => self::field($request, 'domain'),
                'country' => strtoupper(self::field($request, 'country')),
                'outPrefix' => self::field($request, 'outPrefix'),
                'window' => self::field($request, 'window'),
            ));
            return;
        }
        $userId = (int) $request->get('userid');
        $users = Settings_SoftPhone_Users_Model::active($db);
        if (!isset($users[$userId])) {
            throw new InvalidArgumentException('LBL_NO_USER');
        }
        if ($request->get('mode') === 'remove') {
            $accounts->remove($userId);
            return;
        }
        // The password as it was typed: a purifier would change it.
        $accounts->save($userId, self::field($request, 'number'), self::field($request, 'username'),
            (string) $request->getRaw('secret'), self::field($request, 'displayname'));
    }

    private static function field(Vtiger_Request $request, $name)
    {
        $value = $request->getRaw($name);
        return is_string($value) ? trim($value) : '';
    }
}
