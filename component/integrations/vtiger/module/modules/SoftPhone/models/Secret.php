<?php
/**
 * Passwords as they stand in the database: AES-256-CBC, then HMAC-SHA-256 over it and the user's id (encrypt-then-MAC),
 * so that a row that was changed, or moved to another user, is refused.
 *
 * The key is a file outside of the database: `config.softphone.php` in vtiger's folder, or where `$softphone_key_file`
 * of `config.inc.php` says. Being PHP that prints nothing, it tells a browser nothing either.
 */
class SoftPhone_Secret_Model
{
    const CIPHER = 'aes-256-cbc';
    const IV_BYTES = 16;
    const MAC_BYTES = 32;

    /** @return string base64 with a version before it */
    public static function seal($text, $userId)
    {
        list($cipherKey, $macKey) = self::keys(true);
        $iv = self::random(self::IV_BYTES);
        $sealed = $iv . openssl_encrypt($text, self::CIPHER, $cipherKey, OPENSSL_RAW_DATA, $iv);
        return 'v1:' . base64_encode($sealed . self::mac($sealed, $userId, $macKey));
    }

    /** @throws Exception when the key is gone, or this was not sealed for this user */
    public static function open($sealed, $userId)
    {
        list($cipherKey, $macKey) = self::keys(false);
        $bytes = strpos($sealed, 'v1:') === 0 ? base64_decode(substr($sealed, 3), true) : false;
        if ($bytes === false || strlen($bytes) < self::IV_BYTES * 2 + self::MAC_BYTES) {
            throw new Exception('a password in the database is not of this module');
        }
        $body = substr($bytes, 0, -self::MAC_BYTES);
        if (!hash_equals(self::mac($body, $userId, $macKey), substr($bytes, -self::MAC_BYTES))) {
            throw new Exception('a password in the database was changed, or the key was');
        }
        $iv = substr($body, 0, self::IV_BYTES);
        return openssl_decrypt(substr($body, self::IV_BYTES), self::CIPHER, $cipherKey, OPENSSL_RAW_DATA, $iv);
    }

    /** @return string where the key is */
    public static function path()
    {
        global $softphone_key_file, $root_directory;
        return empty($softphone_key_file) ? rtrim($root_directory, '/') . '/config.softphone.php' : $softphone_key_file;
    }

    private static function mac($body, $userId, $key)
    {
        return hash_hmac('sha256', 'v1|' . (int) $userId . '|' . $body, $key, true);
    }

    /** Two keys of one: what encrypts never signs. */
    private static function keys($make)
    {
        $file = self::path();
        if ($make && !is_file($file)) {
            self::makeKey($file);
        }
        $key = is_file($file) ? base64_decode((string) include $file, true) : false;
        if ($key === false || strlen($key) !== 32) {
            throw new Exception('the key of the phones\' passwords is missing: ' . basename($file));
        }
        return array(hash_hmac('sha256', 'softphone encrypt', $key, true), hash_hmac('sha256', 'softphone mac', $key, true));
    }

    private static function makeKey($file)
    {
        $mask = umask(0077);
        // `x`: of two who do this at once, one makes the key and the other one takes it.
        $handle = @fopen($file, 'x');
        umask($mask);
        if ($handle) {
            fwrite($handle, "<?php return '" . base64_encode(self::random(32)) . "';\n");
            fclose($handle);
        } elseif (!is_file($file)) {
            throw new Exception('the key of the phones\' passwords cannot be written: ' . basename($file));
        }
    }

    private static function random($length)
    {
        $strong = false;
        $bytes = openssl_random_pseudo_bytes($length, $strong);
        if ($bytes === false || !$strong) {
            throw new Exception('this machine has no good random numbers');
        }
        return $bytes;
    }
}
