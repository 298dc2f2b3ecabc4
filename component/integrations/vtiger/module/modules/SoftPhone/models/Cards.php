<?php
/**
 * Cards of calls, in PBXManager. A call is one card: `softphone_call` knows which, whose, and the number of the last event
 * that was taken. One that is not above it changes nothing.
 *
 * ```text
 * event ─► row of the call (made once) ─► is it this user's? ─► seq above the last one? ─► card made or changed
 *                                              └► error               └► duplicate
 * ```
 */
class SoftPhone_Cards_Model
{
    private $db;
    private $contacts;
    private $userId;

    public function __construct($db, $userId)
    {
        $this->db = $db;
        $this->contacts = new SoftPhone_Contacts_Model($db);
        $this->userId = (int) $userId;
    }

    /**
     * One result of the answer. What is wrong with the event is said in it, and is final; what is wrong with the
     * database is thrown, and the phone comes again.
     */
    public function take($raw)
    {
        try {
            $event = new SoftPhone_Event_Model($raw);
        } catch (InvalidArgumentException $error) {
            $id = is_array($raw) && isset($raw['id']) && is_string($raw['id']) ? $raw['id'] : '';
            return array('id' => $id, 'status' => 'error', 'message' => $error->getMessage());
        }
        $this->db->startTransaction();
        try {
            $result = $this->apply($event);
        } catch (Exception $error) {
            $this->undo();
            throw $error;
        } catch (Throwable $error) {
            $this->undo();
            throw $error;
        }
        $failed = $this->db->hasFailedTransaction();
        $this->db->completeTransaction();
        if ($failed) {
            throw new Exception('the database did not take the call');
        }
        return $result;
    }

    private function apply(SoftPhone_Event_Model $event)
    {
        // Two requests at once: one makes the row, and the update below makes the other one wait for it.
        $this->db->pquery('INSERT INTO softphone_call (callid, userid, seq, pbxmanagerid) SELECT ?,?,0,0'
            . ' FROM (SELECT 1 AS one) AS once WHERE NOT EXISTS (SELECT 1 FROM softphone_call WHERE callid=?)',
            array($event->callId, $this->userId, $event->callId));
        $claim = $this->db->pquery('UPDATE softphone_call SET seq=? WHERE callid=? AND userid=? AND seq<?',
            array($event->seq, $event->callId, $this->userId, $event->seq));
        $claimed = $this->db->getAffectedRowCount($claim) > 0;
        $result = $this->db->pquery('SELECT userid, pbxmanagerid FROM softphone_call WHERE callid=?', array($event->callId));
        $row = $this->db->fetchByAssoc($result, -1, false);
        if (!$row) {
            throw new Exception('the database did not take the call');
        }
        if ((int) $row['userid'] !== $this->userId) {
            return array('id' => $event->id, 'status' => 'error', 'message' => 'this call is another user\'s');
        }
        $card = (int) $row['pbxmanagerid'];
        if (!$claimed) {
            return $this->answer($event, 'duplicate', $card, $this->contactOf($card), array());
        }
        $candidates = array();
        $contact = $this->contacts->chosen($event->contact);
        if (!$contact) {
            $contact = $this->contactOf($card);
        }
        if (!$contact) {
            $candidates = $this->contacts->withNumber($event->columns['customernumber']);
            // Of several people with this number none is taken: somebody will choose.
            $contact = count($candidates) === 1 ? $candidates[0] : null;
        }
        $card = $this->write($event, $card, $contact);
        return $this->answer($event, 'ok', $card, $contact, $candidates);
    }

    private function write(SoftPhone_Event_Model $event, $card, $contact)
    {
        $columns = $event->columns + array(
            'user' => (string) $this->userId,
            'customer' => $contact ? $contact['id'] : '',
            'customertype' => $contact ? $contact['type'] : '',
        );
        if ($card === 0) {
            $entity = CRMEntity::getInstance('PBXManager');
            foreach ($columns as $name => $value) {
                $entity->column_fields[$name] = $value;
            }
            $entity->column_fields['assigned_user_id'] = $this->userId;
            $entity->mode = '';
            $entity->save('PBXManager');
            $card = (int) $entity->id;
            if ($card === 0) {
                throw new Exception('PBXManager made no card');
            }
            $this->db->pquery('UPDATE softphone_call SET pbxmanagerid=? WHERE callid=?', array($card, $event->callId));
        }
        // The entity leaves out what the user's profile hides, and turns times into the user's zone; the card needs all.
        $this->db->pquery('UPDATE vtiger_pbxmanager SET direction=?, callstatus=?, starttime=?, endtime=?, totalduration=?,'
            . ' billduration=?, recordingurl=?, sourceuuid=?, gateway=?, customernumber=?, `user`=?, customer=?, customertype=?'
            . ' WHERE pbxmanagerid=?', array_merge(array_values($columns), array($card)));
        // What somebody has written on the card itself stays, until the phone has something to say.
        if ($event->description !== '') {
            $this->db->pquery('UPDATE vtiger_crmentity SET description=?, modifiedtime=? WHERE crmid=?',
                array($event->description, date('Y-m-d H:i:s'), $card));
        }
        return $card;
    }

    private function contactOf($card)
    {
        $result = $this->db->pquery('SELECT customer FROM vtiger_pbxmanager WHERE pbxmanagerid=?', array($card));
        $row = $this->db->fetchByAssoc($result, -1, false);
        return $row ? $this->contacts->chosen(array('id' => $row['customer'])) : null;
    }

    private function answer(SoftPhone_Event_Model $event, $status, $card, $contact, array $candidates)
    {
        return array(
            'id' => $event->id,
            'status' => $status,
            'record' => (string) $card,
            'url' => 'index.php?module=PBXManager&view=Detail&record=' . $card,
            'contact' => $contact,
            'candidates' => $candidates,
        );
    }

    private function undo()
    {
        $this->db->database->FailTrans();
        $this->db->completeTransaction();
    }
}
