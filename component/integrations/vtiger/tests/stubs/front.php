<?php
/** vtiger's front controller, from what it does to a request: `index.php?module=…&action=…`. */
class Front
{
    /**
     * @param array $query of the address
     * @param array $post fields of the form, null for a GET
     * @param int $user who is signed in, 0 for nobody
     * @return array status, body, and the body read as JSON
     */
    public static function ask(array $query, $post, $user)
    {
        $GLOBALS['current_user'] = $user ? (object) array('id' => $user, 'first_name' => 'User', 'last_name' => (string) $user) : null;
        $_SERVER['REQUEST_METHOD'] = $post === null ? 'GET' : 'POST';
        $_POST = $post === null ? array() : $post;
        http_response_code(200);
        ob_start();
        self::dispatch($query + $_POST);
        $body = ob_get_clean();
        return array('status' => http_response_code(), 'body' => $body, 'json' => json_decode($body, true));
    }

    /** A form with the token that the account gave. */
    public static function events(array $events, $user)
    {
        $account = self::ask(array('module' => 'SoftPhone', 'action' => 'Account'), null, $user);
        $csrf = $account['json']['csrf'];
        $post = array($csrf['name'] => $csrf['value'], 'events' => json_encode($events));
        return self::ask(array('module' => 'SoftPhone', 'action' => 'CallEvent'), $post, $user);
    }

    private static function dispatch(array $values)
    {
        // csrf-magic, before anything else: a plain text with status 200.
        if (!csrf_check(false)) {
            echo 'Invalid request';
            return;
        }
        $request = new Vtiger_Request($values, $values);
        $kind = isset($values['action']) ? 'Action' : 'View';
        $name = isset($values['action']) ? $values['action'] : $values['view'];
        $class = (isset($values['parent']) ? 'Settings_' : '') . "{$values['module']}_{$name}_$kind";
        try {
            $handler = new $class();
            $handler->validateRequest($request);
            if ($handler->loginRequired() && !vglobal('current_user')) {
                http_response_code(302);
                throw new AppException('Login is required');
            }
            $handler->checkPermission($request);
            $handler->preProcess($request);
            $handler->process($request);
            $handler->postProcess($request);
        } catch (Exception $error) {
            echo json_encode(array('success' => false, 'error' => array('message' => $error->getMessage())));
        }
    }
}
