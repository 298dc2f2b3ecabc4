<?php
/**
 * One call event of the phone, looked at field by field: what a page sends is never taken as it came. The shape is that
 * of the phone's README, "Call events".
 */
class SoftPhone_Event_Model
{
    const NOTES = 16000;

    private static $states = array('ringing', 'answered', 'held', 'resumed', 'transferred', 'ended', 'updated');
    /** Dispositions in the words of PBXManager's `callstatus`. */
    private static $statuses = array(
        'answered' => 'completed', 'missed' => 'no-answer', 'busy' => 'busy', 'rejected' => 'busy',
        'cancelled' => 'no-answer', 'failed' => 'failed', 'interrupted' => 'completed',
    );

    public $id;
    public $callId;
    public $seq;
    /** What the phone knows of the contact: `{type, id}` or null. */
    public $contact;
    /** Columns of `vtiger_pbxmanager`, without those of the contact. */
    public $columns;
    /** Outcome and notes, as one text. */
    public $description;

    /** @throws InvalidArgumentException with what is wrong */
    public function __construct($event)
    {
        $call = is_array($event) && isset($event['call']) && is_array($event['call']) ? $event['call'] : array();
        $this->id = self::word($event, 'id');
        $this->callId = self::word($call, 'id');
        $seq = isset($event['seq']) ? $event['seq'] : null;
        if ($this->id === null || $this->callId === null || !is_int($seq) || $seq < 1 || $seq > 2147483647) {
            throw new InvalidArgumentException('an event has an id, a call with an id, and a number');
        }
        $this->seq = $seq;
        if (!in_array(self::text($event, 'state', 16), self::$states, true)) {
            throw new InvalidArgumentException('an event of an unknown state');
        }
        $direction = self::text($call, 'direction', 10);
        if ($direction !== 'inbound' && $direction !== 'outbound') {
            throw new InvalidArgumentException('a call is inbound or outbound');
        }
        $this->contact = isset($call['contact']) && is_array($call['contact']) ? $call['contact'] : null;
        $this->description = trim(self::text($call, 'outcome', 200) . "\n" . self::text($call, 'notes', self::NOTES));
        $start = self::time($call, 'startedAt');
        $this->columns = array(
            'direction' => $direction,
            'callstatus' => self::status($call),
            'starttime' => $start === null ? date('Y-m-d H:i:s') : $start,
            'endtime' => self::time($call, 'endedAt'),
            'totalduration' => self::seconds($call, 'totalSeconds'),
            'billduration' => self::seconds($call, 'talkSeconds'),
            'recordingurl' => self::url($call, 'recordingUrl'),
            'sourceuuid' => $this->callId,
            'gateway' => 'SoftPhone',
            'customernumber' => self::text($call, $direction === 'inbound' ? 'from' : 'to', 100),
        );
    }

    /** From the whole snapshot: an `updated` that comes late says of the call what the `ended` before it did. */
    private static function status(array $call)
    {
        $disposition = self::text($call, 'disposition', 16);
        if ($disposition === 'interrupted' && !self::time($call, 'answeredAt')) {
            return 'no-answer';
        }
        if (isset(self::$statuses[$disposition])) {
            return self::$statuses[$disposition];
        }
        return self::time($call, 'answeredAt') ? 'in-progress' : 'ringing';
    }

    private static function word($from, $key)
    {
        $value = is_array($from) && isset($from[$key]) ? $from[$key] : null;
        return is_string($value) && preg_match('/^[A-Za-z0-9._:-]{1,64}\z/', $value) ? $value : null;
    }

    private static function text(array $from, $key, $length)
    {
        return SoftPhone_Text_Model::limited(isset($from[$key]) ? $from[$key] : '', $length);
    }

    /** In the time zone of the database, which is PHP's own in vtiger. */
    private static function time(array $from, $key)
    {
        $text = self::text($from, $key, 40);
        $time = preg_match('/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\z/', $text) ? strtotime($text) : false;
        return $time === false ? null : date('Y-m-d H:i:s', $time);
    }

    private static function seconds(array $from, $key)
    {
        $value = isset($from[$key]) && is_numeric($from[$key]) ? (int) round($from[$key]) : 0;
        return max(0, min($value, 2147483647));
    }

    /** Only what a browser may open: the card shows it as a link. */
    private static function url(array $from, $key)
    {
        $url = self::text($from, $key, 2000);
        return strlen($url) <= 200 && preg_match('~^https?://[^\s"\'<>]+\z~i', $url) ? $url : '';
    }
}
