<?php
/** PearDatabase's interface over SQLite: what the module calls, with the habits that matter, such as encoded results. */
class PearDatabase
{
    /** Every SQL text that was run. */
    public static $texts = array();
    /** Every save fails, as with a database that is gone. */
    public static $refuse = false;
    private static $instance;

    public $database;
    private $pdo;
    private $depth = 0;
    private $failed = false;
    private $affected = 0;

    public static function &getInstance()
    {
        if (!self::$instance) {
            self::$instance = new self(new PDO('sqlite::memory:'));
        }
        return self::$instance;
    }

    /** A new, empty database with the tables of vtiger that the module touches. */
    public static function fresh()
    {
        self::$instance = null;
        self::$texts = array();
        $db = self::getInstance();
        $tables = array(
            'vtiger_crmentity (crmid INTEGER PRIMARY KEY, smownerid INT, setype TEXT, label TEXT, description TEXT, modifiedtime TEXT, deleted INT)',
            'vtiger_crmentity_seq (id INT)',
            'vtiger_settings_field_seq (id INT)',
            'vtiger_settings_field (fieldid INT, blockid INT, name TEXT, iconpath TEXT, description TEXT, linkto TEXT, sequence INT, active INT)',
            'vtiger_settings_blocks (blockid INT, label TEXT)',
            'vtiger_pbxmanager (pbxmanagerid INTEGER PRIMARY KEY, direction TEXT, callstatus TEXT, starttime TEXT, endtime TEXT,'
                . ' totalduration INT, billduration INT, recordingurl TEXT, sourceuuid TEXT, gateway TEXT, customer TEXT, user TEXT,'
                . ' customernumber TEXT, customertype TEXT)',
            'vtiger_pbxmanager_phonelookup (crmid INT, setype TEXT, fnumber TEXT, rnumber TEXT, fieldname TEXT)',
            'vtiger_contactdetails (contactid INT, accountid INT)',
            'vtiger_account (accountid INT, accountname TEXT)',
            'vtiger_leaddetails (leadid INT, company TEXT)',
            'vtiger_users (id INT, first_name TEXT, last_name TEXT, status TEXT, deleted INT)',
        );
        foreach ($tables as $table) {
            $db->pdo->exec("CREATE TABLE $table");
        }
        $db->pdo->exec('INSERT INTO vtiger_crmentity_seq VALUES (1000)');
        $db->pdo->exec('INSERT INTO vtiger_settings_field_seq VALUES (50)');
        $db->pdo->exec("INSERT INTO vtiger_settings_blocks VALUES (8, 'LBL_INTEGRATION')");
        return $db;
    }

    private function __construct(PDO $pdo)
    {
        $pdo->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
        $this->pdo = $pdo;
        // ADOdb's connection, which is what knows how to fail a transaction.
        $this->database = $this;
    }

    public function isMySQL()
    {
        return false;
    }

    public function pquery($sql, $params = array())
    {
        self::$texts[] = $sql;
        try {
            $statement = $this->pdo->prepare($sql);
            $statement->execute(array_values($params));
        } catch (PDOException $error) {
            $this->failed = true;
            return false;
        }
        $this->affected = $statement->rowCount();
        return (object) array('rows' => $statement->fetchAll(PDO::FETCH_ASSOC), 'next' => 0);
    }

    public function num_rows(&$result)
    {
        return count($result->rows);
    }

    public function getAffectedRowCount(&$result)
    {
        return $this->affected;
    }

    public function fetchByAssoc(&$result, $row = -1, $encode = true)
    {
        if (!$result || $result->next >= count($result->rows)) {
            return null;
        }
        $found = $result->rows[$result->next++];
        return $encode ? array_map('htmlentities', array_map('strval', $found)) : $found;
    }

    public function getUniqueID($table)
    {
        $this->pdo->exec("UPDATE {$table}_seq SET id = id + 1");
        return (int) $this->pdo->query("SELECT id FROM {$table}_seq")->fetchColumn();
    }

    public function startTransaction()
    {
        if ($this->depth++ === 0) {
            $this->failed = false;
            $this->pdo->beginTransaction();
        }
    }

    public function FailTrans()
    {
        $this->failed = true;
    }

    public function hasFailedTransaction()
    {
        return $this->failed;
    }

    public function completeTransaction()
    {
        if (--$this->depth === 0) {
            $this->failed ? $this->pdo->rollBack() : $this->pdo->commit();
            $this->failed = false;
        }
    }
}
