<?php
/**
 * As much of vtiger as the module uses, written from its interfaces: requests with their checks, the loader, records and
 * PearDatabase over SQLite. Every SQL text is kept, for the test that none was made of a value.
 */

$GLOBALS['csrf'] = array('input-name' => '__vtrftk');
$GLOBALS['root_directory'] = sys_get_temp_dir() . '/';
$GLOBALS['site_URL'] = 'http://crm.test/';
$GLOBALS['module_folder'] = dirname(dirname(__DIR__)) . '/module';

class AppException extends Exception
{
}

function vglobal($name, $value = null)
{
    if ($value !== null) {
        $GLOBALS[$name] = $value;
    }
    return isset($GLOBALS[$name]) ? $GLOBALS[$name] : null;
}

function csrf_get_tokens()
{
    return 'sid:' . sha1('session of ' . (empty($GLOBALS['current_user']) ? 0 : $GLOBALS['current_user']->id));
}

/** Both times that vtiger looks: when csrf-magic is loaded, and in `validateWriteAccess`. */
function csrf_check($fatal = true)
{
    return $_SERVER['REQUEST_METHOD'] !== 'POST' || (isset($_POST['__vtrftk']) && $_POST['__vtrftk'] === csrf_get_tokens());
}

function vtranslate($key, $module = 'Vtiger')
{
    $file = $GLOBALS['module_folder'] . '/languages/' . Vtiger_Language_Handler::getLanguage() . '/' . str_replace(':', '/', $module) . '.php';
    $languageStrings = array();
    if (is_file($file)) {
        include $file;
    }
    return isset($languageStrings[$key]) ? $languageStrings[$key] : $key;
}

class Vtiger_Language_Handler
{
    public static function getLanguage()
    {
        return isset($GLOBALS['current_language']) ? $GLOBALS['current_language'] : 'en_us';
    }
}

class Vtiger_Request
{
    private $values;
    private $raw;

    public function __construct(array $values, array $raw)
    {
        $this->values = $values;
        $this->raw = $raw;
    }

    /** vtiger's: JSON is decoded, and markup taken out. */
    public function get($key, $default = '')
    {
        $value = isset($this->values[$key]) ? $this->values[$key] : $default;
        if (is_string($value) && $value !== '' && ($value[0] === '[' || $value[0] === '{')) {
            $value = json_decode($value, true);
        }
        $purify = function ($value) use (&$purify) {
            return is_array($value) ? array_map($purify, $value) : (is_string($value) ? strip_tags($value) : $value);
        };
        return $purify($value);
    }

    public function getRaw($key, $default = '')
    {
        return isset($this->raw[$key]) ? $this->raw[$key] : $this->get($key, $default);
    }

    public function validateReadAccess()
    {
        if (isset($_SERVER['HTTP_REFERER']) && stripos($_SERVER['HTTP_REFERER'], $GLOBALS['site_URL']) !== 0) {
            throw new Exception('Illegal request');
        }
        return true;
    }

    public function validateWriteAccess()
    {
        if ($_SERVER['REQUEST_METHOD'] != 'POST') {
            throw new Exception('Invalid request');
        }
        $this->validateReadAccess();
        if (!csrf_check(false)) {
            throw new Exception('Unsupported request');
        }
        return true;
    }
}

abstract class Vtiger_Action_Controller
{
    public function loginRequired()
    {
        return true;
    }

    public function validateRequest(Vtiger_Request $request)
    {
        return $request->validateReadAccess();
    }

    public function checkPermission(Vtiger_Request $request)
    {
        return true;
    }

    abstract public function process(Vtiger_Request $request);

    public function preProcess(Vtiger_Request $request)
    {
        return true;
    }

    public function postProcess(Vtiger_Request $request)
    {
        return true;
    }
}

abstract class Vtiger_View_Controller extends Vtiger_Action_Controller
{
    public function preProcess(Vtiger_Request $request, $display = true)
    {
        echo '<vtiger frame>';
    }
}

abstract class Settings_Vtiger_Index_View extends Vtiger_View_Controller
{
    public function checkPermission(Vtiger_Request $request)
    {
        if (!Users_Record_Model::getCurrentUserModel()->isAdminUser()) {
            throw new AppException('LBL_PERMISSION_DENIED');
        }
        return true;
    }
}

class Users_Record_Model
{
    public static function getCurrentUserModel()
    {
        return new self();
    }

    public function isAdminUser()
    {
        return !empty($GLOBALS['current_user']) && $GLOBALS['current_user']->id === 1;
    }
}

class Users_Privileges_Model
{
    /** Records that nobody but an administrator may see. */
    public static $hidden = array();

    public static function isPermitted($module, $action, $record = false)
    {
        return $GLOBALS['current_user']->id === 1 || !in_array((int) $record, self::$hidden, true);
    }
}

class Vtiger_Module
{
    public static $links = array();

    public static function getInstance($name)
    {
        $module = new self();
        $module->name = $name;
        return $module;
    }

    public $name;

    public function addLink($type, $label, $url, $icon = '', $sequence = 0)
    {
        self::$links["$type $url"] = $label;
    }

    public function deleteLink($type, $label, $url = false)
    {
        unset(self::$links["$type $url"]);
    }
}

class Vtiger_Field
{
    public static $added = array();
    public $name;
    public $label;
    public $table;
    public $column;
    public $uitype;
    public $typeofdata;

    public static function getInstance($name, $module)
    {
        return isset(self::$added[$name]) ? self::$added[$name] : false;
    }
}

class Vtiger_Block
{
    public static function getInstance($label, $module)
    {
        return new self();
    }

    public function addField($field)
    {
        Vtiger_Field::$added[$field->name] = $field;
    }
}

/** Records: PBXManager's only. */
class CRMEntity
{
    public $column_fields = array();
    public $mode = '';
    public $id = 0;

    public static function getInstance($module)
    {
        return new self();
    }

    public function save($module)
    {
        $db = PearDatabase::getInstance();
        if (PearDatabase::$refuse) {
            throw new Exception('the database is gone');
        }
        $this->id = (int) $db->getUniqueID('vtiger_crmentity');
        $db->pquery('INSERT INTO vtiger_crmentity (crmid, smownerid, setype, label, description, deleted) VALUES (?,?,?,?,?,0)',
            array($this->id, $this->column_fields['assigned_user_id'], $module, $this->column_fields['customernumber'], ''));
        // Not what a profile may hide, as in vtiger.
        $db->pquery('INSERT INTO vtiger_pbxmanager (pbxmanagerid, direction) VALUES (?,?)',
            array($this->id, $this->column_fields['direction']));
    }
}

require __DIR__ . '/PearDatabase.php';

// As vtiger's loader finds them: `Module_Name_Kind`, `Settings_Module_Name_Kind`.
spl_autoload_register(function ($class) {
    $kinds = array('Action' => 'actions', 'View' => 'views', 'Model' => 'models');
    $words = explode('_', $class);
    $settings = $words[0] === 'Settings' ? array_shift($words) : '';
    if (count($words) === 3 && $words[0] === 'SoftPhone' && isset($kinds[$words[2]])) {
        $folder = $settings ? 'settings' : 'modules/SoftPhone';
        require $GLOBALS['module_folder'] . "/$folder/{$kinds[$words[2]]}/{$words[1]}.php";
    } elseif ($class === 'SoftPhone') {
        require $GLOBALS['module_folder'] . '/modules/SoftPhone/SoftPhone.php';
    }
});
