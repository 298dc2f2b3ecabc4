<?php
// All that an application's server does for the phone, in one file:
//   SOFT_PHONE_DB=calls.sqlite php -S 127.0.0.1:8000 demo/example/server.php
// Yours has users, sessions, contacts and a database: take what stands between the rules.
session_start(['cookie_httponly' => true, 'cookie_samesite' => 'Lax', 'use_strict_mode' => true]);
$db = new PDO('sqlite:' . getenv('SOFT_PHONE_DB'), null, null, [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC]);
$db->exec('PRAGMA busy_timeout = 5000;
  CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, hash TEXT, number TEXT, secret TEXT);
  CREATE TABLE IF NOT EXISTS contacts (id INTEGER PRIMARY KEY, name TEXT, company TEXT, digits TEXT);
  CREATE TABLE IF NOT EXISTS calls (user INT, id TEXT, seq INT, call TEXT, contact INT, PRIMARY KEY (user, id));');

function answer($status, $body) {
    http_response_code($status);
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    exit(json_encode($body));
}
function rows($sql, $values) {
    $statement = $GLOBALS['db']->prepare($sql);
    $statement->execute($values);
    return $statement->fetchAll();
}
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/login' && $_SERVER['REQUEST_METHOD'] === 'POST') {
    $user = rows('SELECT id, hash FROM users WHERE name = ?', [$_POST['name'] ?? ''])[0] ?? null;
    if (!$user || !password_verify($_POST['password'] ?? '', $user['hash'])) answer(403, ['message' => 'wrong name or password']);
    session_regenerate_id(true);
    $_SESSION = ['user' => $user['id'], 'csrf' => bin2hex(random_bytes(16))];
    answer(200, []);
}
// ---- what the phone needs: the account, the calls, who has a number ------------------------------------------------
$user = isset($_SESSION['user']) ? rows('SELECT * FROM users WHERE id = ?', [$_SESSION['user']])[0] ?? null : null;
if (!$user) answer(401, ['message' => 'sign in first']);

/** Contacts whose number ends in the same nine digits, however it is written; a short number is whole. */
function withNumber($number) {
    $digits = preg_replace('/\D/', '', $number);
    return rows("SELECT 'contact' AS type, id, name, company, '/contacts/' || id AS url FROM contacts
        WHERE CASE WHEN length(:d) < 9 THEN digits = :d AND :d <> '' ELSE substr(digits, -9) = substr(:d, -9) END", ['d' => $digits]);
}
if ($path === '/account') answer(200, ['version' => 1, 'server' => ['wss://pbx.example.com/ws'],
    'uri' => "sip:{$user['number']}@example.com", 'username' => $user['number'], 'password' => $user['secret'],
    'displayName' => $user['name'], 'user' => ['id' => (string) $user['id'], 'name' => $user['name']],
    'csrf' => ['name' => 'csrf_token', 'value' => $_SESSION['csrf']]]);
if ($path === '/lookup') answer(200, ['candidates' => withNumber($_GET['number'] ?? '')]);
if ($path !== '/calls' || $_SERVER['REQUEST_METHOD'] !== 'POST') answer(404, ['message' => 'no such page']);
// The body is JSON; a form, when a page goes.
$body = $_POST ? ['events' => json_decode($_POST['events'] ?? '', true)] + $_POST : json_decode(file_get_contents('php://input'), true);
if (!is_string($body['csrf_token'] ?? null) || !hash_equals($_SESSION['csrf'], $body['csrf_token'])) answer(403, ['message' => 'token']);
$results = [];
foreach (is_array($body['events'] ?? null) ? $body['events'] : answer(400, ['message' => 'events']) as $event) {
    [$call, $seq, $result] = [$event['call'] ?? null, $event['seq'] ?? null, ['id' => $event['id'] ?? '', 'status' => 'error']];
    if (is_string($call['id'] ?? null) && is_int($seq)) {
        $found = withNumber((string) ($call['direction'] === 'inbound' ? $call['from'] : $call['to']));
        // Taken when its number is above the last one: each call is one row, whatever comes how often in which order.
        $write = $db->prepare('INSERT INTO calls VALUES (?, ?, ?, ?, ?) ON CONFLICT (user, id) DO UPDATE
            SET seq = excluded.seq, call = excluded.call, contact = COALESCE(excluded.contact, contact) WHERE excluded.seq > seq');
        $write->execute([$user['id'], $call['id'], $seq, json_encode($call), count($found) === 1 ? $found[0]['id'] : null]);
        $result = ['status' => $write->rowCount() ? 'ok' : 'duplicate', 'candidates' => $found,
            'contact' => count($found) === 1 ? $found[0] : null] + $result;
    }
    $results[] = $result;
}
answer(200, ['results' => $results]);
