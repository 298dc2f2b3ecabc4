<?php
/** The module's own tables. Secrets are in none of vtiger's, whose fields its REST interface shows. */
class SoftPhone_Schema_Model
{
    public static function create($db)
    {
        $options = $db->isMySQL() ? ' ENGINE=InnoDB DEFAULT CHARSET=utf8' : '';
        $db->pquery('CREATE TABLE IF NOT EXISTS softphone_account (userid INT NOT NULL PRIMARY KEY,'
            . ' number VARCHAR(64) NOT NULL, username VARCHAR(64) NOT NULL, secret TEXT NOT NULL,'
            . ' displayname VARCHAR(100) NOT NULL)' . $options, array());
        $db->pquery('CREATE TABLE IF NOT EXISTS softphone_setting (name VARCHAR(32) NOT NULL PRIMARY KEY,'
            . ' value VARCHAR(2000) NOT NULL)' . $options, array());
        // One row for each call, whoever tells of it first: the card, and the number of the last event.
        $db->pquery('CREATE TABLE IF NOT EXISTS softphone_call (callid VARCHAR(64) NOT NULL PRIMARY KEY,'
            . ' userid INT NOT NULL, seq INT NOT NULL, pbxmanagerid INT NOT NULL)' . $options, array());
    }

    public static function drop($db)
    {
        foreach (array('softphone_account', 'softphone_setting', 'softphone_call') as $table) {
            $db->pquery('DROP TABLE IF EXISTS ' . $table, array());
        }
    }
}
