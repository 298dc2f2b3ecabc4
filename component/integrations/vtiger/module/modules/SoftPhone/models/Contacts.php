<?php
/**
 * Who has a number: a look into PBXManager's table of numbers. vtiger's own look-up puts the caller's number into its SQL
 * as it came, so it is never called; here every value is a parameter.
 */
class SoftPhone_Contacts_Model
{
    /** So many digits at the end of a number are the same however it is written: with +7, 8, or nothing before them. */
    const TAIL = 9;
    const MOST = 20;

    private static $kinds = array('Contacts', 'Leads', 'Accounts');
    private $db;

    public function __construct($db)
    {
        $this->db = $db;
    }

    /** All that the current user may see, oldest first: `[{type, id, name, url, company}]`. */
    public function withNumber($number)
    {
        $digits = SoftPhone_Text_Model::digits($number);
        if (strlen($digits) < 3) {
            return array();
        }
        $found = 'SELECT DISTINCT e.crmid, e.setype, e.label FROM vtiger_pbxmanager_phonelookup l'
            . ' INNER JOIN vtiger_crmentity e ON e.crmid=l.crmid WHERE e.deleted=0 AND ';
        if (strlen($digits) < self::TAIL) {
            // An extension or a short number is that number and no other's end.
            $result = $this->db->pquery($found . 'l.fnumber=? ORDER BY e.crmid', array($digits));
        } else {
            // The table holds numbers reversed too: digits only, so the pattern has no other wildcard.
            $tail = strrev(substr($digits, -self::TAIL));
            $result = $this->db->pquery($found . 'l.rnumber LIKE ? ORDER BY e.crmid', array($tail . '%'));
        }
        $candidates = array();
        while (($row = $this->db->fetchByAssoc($result, -1, false)) && count($candidates) < self::MOST) {
            $candidate = $this->candidate($row);
            if ($candidate) {
                $candidates[] = $candidate;
            }
        }
        return $candidates;
    }

    /** The record that somebody has chosen, if it is one and the current user may see it. */
    public function chosen($contact)
    {
        if (!is_array($contact) || !isset($contact['id']) || !is_scalar($contact['id']) || !ctype_digit((string) $contact['id'])) {
            return null;
        }
        $result = $this->db->pquery('SELECT crmid, setype, label FROM vtiger_crmentity WHERE crmid=? AND deleted=0',
            array((string) $contact['id']));
        $row = $this->db->fetchByAssoc($result, -1, false);
        return $row ? $this->candidate($row) : null;
    }

    private function candidate(array $row)
    {
        if (!in_array($row['setype'], self::$kinds, true)
            || !Users_Privileges_Model::isPermitted($row['setype'], 'DetailView', $row['crmid'])) {
            return null;
        }
        return array(
            'type' => $row['setype'],
            'id' => (string) $row['crmid'],
            // vtiger keeps labels as HTML.
            'name' => html_entity_decode((string) $row['label'], ENT_QUOTES, 'UTF-8'),
            'url' => 'index.php?module=' . $row['setype'] . '&view=Detail&record=' . (int) $row['crmid'],
            'company' => $this->company($row['setype'], $row['crmid']),
        );
    }

    private function company($kind, $id)
    {
        if ($kind === 'Contacts') {
            $result = $this->db->pquery('SELECT a.accountname AS company FROM vtiger_contactdetails c'
                . ' INNER JOIN vtiger_account a ON a.accountid=c.accountid WHERE c.contactid=?', array($id));
        } elseif ($kind === 'Leads') {
            $result = $this->db->pquery('SELECT company FROM vtiger_leaddetails WHERE leadid=?', array($id));
        } else {
            return '';
        }
        $row = $this->db->fetchByAssoc($result, -1, false);
        return $row ? (string) $row['company'] : '';
    }
}
