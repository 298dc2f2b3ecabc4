<?php
/** POST of call events, as a form: vtiger looks for its token among the fields of one before any module is asked. */
class SoftPhone_CallEvent_Action extends SoftPhone_Endpoint_Model
{
    const MOST_EVENTS = 200;

    public function validateRequest(Vtiger_Request $request)
    {
        return $request->validateWriteAccess();
    }

    protected function answer(Vtiger_Request $request, $user, $db)
    {
        // As it came: vtiger's purifier takes what looks like markup out of notes and numbers, and what is shown is
        // escaped where it is shown.
        $raw = $request->getRaw('events');
        $events = is_string($raw) ? json_decode($raw, true) : $raw;
        if (!is_array($events) || !$events || array_keys($events) !== range(0, count($events) - 1)) {
            SoftPhone_Answer_Model::send(400, array('message' => 'events is a list of call events, in JSON'));
            return;
        }
        if (count($events) > self::MOST_EVENTS) {
            SoftPhone_Answer_Model::send(413, array('message' => 'too many events at once'));
            return;
        }
        $cards = new SoftPhone_Cards_Model($db, $user->id);
        SoftPhone_Answer_Model::send(200, array('results' => array_map(array($cards, 'take'), $events)));
    }
}
