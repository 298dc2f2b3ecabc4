<?php
/** Runs every `test_…` function of the files beside it: `php component/integrations/vtiger/tests/run.php [WORD]`. */

error_reporting(E_ALL);
ini_set('display_errors', 'stderr');
set_error_handler(function ($level, $message, $file, $line) {
    // What is asked for quietly (`@`) may fail.
    if (!(error_reporting() & $level)) {
        return false;
    }
    throw new ErrorException($message, 0, $level, $file, $line);
});
// The module writes there what has gone wrong; a test looks at it.
$log = tempnam(sys_get_temp_dir(), 'softphone');
ini_set('error_log', $log);
date_default_timezone_set('UTC');

require __DIR__ . '/stubs/vtiger.php';
require __DIR__ . '/stubs/front.php';
require __DIR__ . '/world.php';

function same($expected, $found, $what = '')
{
    if ($expected !== $found) {
        throw new Exception(trim($what . ' is ' . var_export($found, true) . ', not ' . var_export($expected, true)));
    }
}

function holds($condition, $what)
{
    if (!$condition) {
        throw new Exception($what);
    }
}

$softphone_key_file = sys_get_temp_dir() . '/softphone-test-' . getmypid() . '.php';
$before = get_defined_functions();
foreach (glob(__DIR__ . '/*_test.php') as $file) {
    require $file;
}
$after = get_defined_functions();
$tests = array_filter(array_diff($after['user'], $before['user']), function ($name) use ($argv) {
    return strpos($name, 'test_') === 0 && (!isset($argv[1]) || strpos($name, $argv[1]) !== false);
});
$failed = 0;
foreach ($tests as $test) {
    @unlink($softphone_key_file);
    unset($_SERVER['HTTP_REFERER'], $GLOBALS['current_language'], $GLOBALS['current_user']);
    try {
        $test(world());
        fwrite(STDOUT, "ok     $test\n");
    } catch (Throwable $error) {
        $failed++;
        fwrite(STDOUT, "FAILED $test: {$error->getMessage()} ({$error->getFile()}:{$error->getLine()})\n{$error->getTraceAsString()}\n");
    }
}
@unlink($softphone_key_file);
unlink($log);
fwrite(STDOUT, sprintf("test result: %s. vtiger module: %d passed; %d failed\n", $failed ? 'FAILED' : 'ok', count($tests) - $failed, $failed));
exit($failed || !$tests ? 1 : 0);
