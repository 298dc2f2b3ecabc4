<?php
/**
 * The module as vtiger's module manager knows it: what is made when it is installed, and taken away when it goes.
 *
 * All PHP of this module keeps to the language of PHP 5.6, which vtiger 6 runs on.
 */
class SoftPhone
{
    const SCRIPT = 'modules/SoftPhone/resources/SoftPhone.js';
    const SETTINGS = 'index.php?module=SoftPhone&parent=Settings&view=Index';

    /**
     * @param string $moduleName
     * @param string $eventType module.postinstall, .enabled, .disabled, .preuninstall, .preupdate or .postupdate
     */
    public function vtlib_handler($moduleName, $eventType)
    {
        switch ($eventType) {
            case 'module.postinstall':
            case 'module.postupdate':
                SoftPhone_Schema_Model::create(PearDatabase::getInstance());
                $this->addNotes();
                $this->show();
                break;
            case 'module.enabled':
                $this->show();
                break;
            case 'module.disabled':
                $this->hide();
                break;
            case 'module.preuninstall':
                $this->hide();
                // The cards stay, they are PBXManager's; accounts and the calls' keys go.
                SoftPhone_Schema_Model::drop(PearDatabase::getInstance());
                break;
        }
    }

    private function show()
    {
        $module = Vtiger_Module::getInstance('SoftPhone');
        // Nothing happens when the manifest has added it.
        $module->addLink('HEADERSCRIPT', 'SoftPhone', self::SCRIPT, '', '0');
        $db = PearDatabase::getInstance();
        $known = $db->pquery('SELECT fieldid FROM vtiger_settings_field WHERE linkto=?', array(self::SETTINGS));
        if ($db->num_rows($known) > 0) {
            return;
        }
        $block = $db->pquery('SELECT blockid FROM vtiger_settings_blocks WHERE label=?', array('LBL_INTEGRATION'));
        $row = $db->fetchByAssoc($block, -1, false);
        if (!$row) {
            $block = $db->pquery('SELECT MIN(blockid) AS blockid FROM vtiger_settings_blocks', array());
            $row = $db->fetchByAssoc($block, -1, false);
        }
        $db->pquery(
            'INSERT INTO vtiger_settings_field (fieldid, blockid, name, iconpath, description, linkto, sequence, active)'
                . ' VALUES (?,?,?,?,?,?,?,?)',
            array($db->getUniqueID('vtiger_settings_field'), $row['blockid'], 'LBL_SOFTPHONE', '',
                'LBL_SOFTPHONE_DESCRIPTION', self::SETTINGS, 9, 0)
        );
    }

    private function hide()
    {
        Vtiger_Module::getInstance('SoftPhone')->deleteLink('HEADERSCRIPT', 'SoftPhone', self::SCRIPT);
        PearDatabase::getInstance()->pquery('DELETE FROM vtiger_settings_field WHERE linkto=?', array(self::SETTINGS));
    }

    /** Shows what the user wrote of a call: `vtiger_crmentity` has a column for it, the cards have no field. */
    private function addNotes()
    {
        $cards = Vtiger_Module::getInstance('PBXManager');
        if (!$cards || Vtiger_Field::getInstance('description', $cards)) {
            return;
        }
        $block = Vtiger_Block::getInstance('LBL_PBXMANAGER_INFORMATION', $cards);
        if (!$block) {
            return;
        }
        $field = new Vtiger_Field();
        $field->name = 'description';
        $field->label = 'Description';
        $field->table = 'vtiger_crmentity';
        $field->column = 'description';
        $field->uitype = 19;
        $field->typeofdata = 'V~O';
        $block->addField($field);
    }
}
