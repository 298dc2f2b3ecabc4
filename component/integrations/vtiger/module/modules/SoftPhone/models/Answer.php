<?php
/** What is sent to the phone: JSON of its own, as vtiger's envelope (`{"success": true, "result": …}`) is not what it reads. */
class SoftPhone_Answer_Model
{
    public static function send($status, array $body)
    {
        http_response_code($status);
        header('Content-Type: application/json; charset=UTF-8');
        header('Cache-Control: no-store');
        header('X-Content-Type-Options: nosniff');
        echo json_encode($body, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
    }

    /** Somebody has to look at the server's log; the browser learns no more than that. */
    public static function failed($error)
    {
        error_log('SoftPhone: ' . $error->getMessage());
        self::send(500, array('message' => 'the server cannot do this now'));
    }

    /** @return Users|null who is signed in */
    public static function user()
    {
        $user = vglobal('current_user');
        return $user && !empty($user->id) ? $user : null;
    }
}
