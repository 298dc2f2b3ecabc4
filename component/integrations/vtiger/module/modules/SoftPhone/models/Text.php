<?php
/** Texts of others, made fit for a column. */
class SoftPhone_Text_Model
{
    /**
     * The first characters, without those that MySQL's `utf8` cannot hold (beyond U+FFFF: it would refuse the whole row,
     * and the phone would send it again for ever) and without control characters but line ends.
     */
    public static function limited($text, $length)
    {
        if (!is_string($text)) {
            return '';
        }
        $text = preg_replace('/[\x{10000}-\x{10FFFF}]/u', "\xEF\xBF\xBD", $text);
        $text = preg_replace('/[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]/', '', (string) $text);
        return preg_match('/^.{0,' . (int) $length . '}/su', $text, $match) ? $match[0] : '';
    }

    /** The digits of a number as it was dialled or shown. */
    public static function digits($number)
    {
        // An extension is not part of the number that is looked for.
        $main = preg_replace('/(;ext=|[,;]|\bext\b|\bx\d|доб).*$/iu', '', (string) $number);
        return preg_replace('/\D/', '', (string) $main);
    }
}
