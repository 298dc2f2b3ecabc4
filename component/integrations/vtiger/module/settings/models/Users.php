<?php
/** Who may get a phone. */
class Settings_SoftPhone_Users_Model
{
    /** @return array id => name of all active users */
    public static function active($db)
    {
        $result = $db->pquery("SELECT id, first_name, last_name FROM vtiger_users WHERE status=? AND deleted=0 ORDER BY id",
            array('Active'));
        $users = array();
        while ($row = $db->fetchByAssoc($result, -1, false)) {
            $users[(int) $row['id']] = trim($row['first_name'] . ' ' . $row['last_name']);
        }
        return $users;
    }
}
