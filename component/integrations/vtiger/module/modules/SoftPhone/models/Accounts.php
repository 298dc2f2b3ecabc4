<?php
/** SIP accounts of users, and what they have in common. */
class SoftPhone_Accounts_Model
{
    /** Settings and what they are until somebody has set them. */
    private static $defaults = array(
        'server' => '', 'domain' => '', 'country' => '', 'outPrefix' => '', 'window' => 'page',
    );

    private $db;

    public function __construct($db)
    {
        $this->db = $db;
    }

    /** @return array name => value, all of them */
    public function settings()
    {
        $settings = self::$defaults;
        $result = $this->db->pquery('SELECT name, value FROM softphone_setting', array());
        while ($row = $this->db->fetchByAssoc($result, -1, false)) {
            if (isset($settings[$row['name']])) {
                $settings[$row['name']] = $row['value'];
            }
        }
        return $settings;
    }

    /** @throws InvalidArgumentException with the language's key for what is wrong */
    public function saveSettings(array $settings)
    {
        $servers = preg_split('/\s+/', $settings['server'], -1, PREG_SPLIT_NO_EMPTY);
        foreach ($servers as $server) {
            if (!preg_match('~^wss://[^\s/]+(/\S*)?$|^ws://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?(/\S*)?$~i', $server)) {
                throw new InvalidArgumentException('LBL_BAD_SERVER');
            }
        }
        if (!$servers || !preg_match('/^[A-Za-z0-9.\-\[\]:]{1,255}$/', $settings['domain'])) {
            throw new InvalidArgumentException('LBL_BAD_DOMAIN');
        }
        if (!preg_match('/^([A-Z]{2})?$/', $settings['country']) || !preg_match('/^[0-9]{0,8}$/', $settings['outPrefix'])) {
            throw new InvalidArgumentException('LBL_BAD_DIAL_PLAN');
        }
        if (!in_array($settings['window'], array('page', 'popup'), true)) {
            throw new InvalidArgumentException('LBL_BAD_WINDOW');
        }
        $settings['server'] = implode(' ', $servers);
        foreach (array_intersect_key($settings, self::$defaults) as $name => $value) {
            $this->db->pquery('DELETE FROM softphone_setting WHERE name=?', array($name));
            $this->db->pquery('INSERT INTO softphone_setting (name, value) VALUES (?,?)', array($name, $value));
        }
    }

    /** Every account, without its secret. */
    public function all()
    {
        $result = $this->db->pquery('SELECT userid, number, username, displayname FROM softphone_account ORDER BY userid', array());
        $accounts = array();
        while ($row = $this->db->fetchByAssoc($result, -1, false)) {
            $accounts[(int) $row['userid']] = $row;
        }
        return $accounts;
    }

    public function has($userId)
    {
        $result = $this->db->pquery('SELECT userid FROM softphone_account WHERE userid=?', array($userId));
        return $this->db->num_rows($result) > 0;
    }

    /**
     * An empty password leaves the one that there is.
     *
     * @throws InvalidArgumentException with the language's key for what is wrong
     */
    public function save($userId, $number, $username, $password, $displayName)
    {
        if (!preg_match('/^[^\s@:<>"]{1,64}$/u', $number) || !preg_match('/^[^\s@:<>"]{0,64}$/u', $username)) {
            throw new InvalidArgumentException('LBL_BAD_NUMBER');
        }
        $username = $username === '' ? $number : $username;
        $values = array($number, $username, SoftPhone_Text_Model::limited($displayName, 100));
        if ($password !== '') {
            $secret = SoftPhone_Secret_Model::seal($password, $userId);
            $this->db->pquery('DELETE FROM softphone_account WHERE userid=?', array($userId));
            $this->db->pquery('INSERT INTO softphone_account (number, username, displayname, secret, userid) VALUES (?,?,?,?,?)',
                array_merge($values, array($secret, $userId)));
        } elseif ($this->has($userId)) {
            $this->db->pquery('UPDATE softphone_account SET number=?, username=?, displayname=? WHERE userid=?',
                array_merge($values, array($userId)));
        } else {
            throw new InvalidArgumentException('LBL_NO_PASSWORD');
        }
    }

    public function remove($userId)
    {
        $this->db->pquery('DELETE FROM softphone_account WHERE userid=?', array($userId));
    }

    /**
     * The account JSON of the phone's README, without `csrf`.
     *
     * @return array|null null when this user has no phone
     * @throws Exception when the password cannot be opened
     */
    public function document($userId, $userName)
    {
        $result = $this->db->pquery('SELECT number, username, secret, displayname FROM softphone_account WHERE userid=?',
            array($userId));
        $row = $this->db->fetchByAssoc($result, -1, false);
        $settings = $this->settings();
        if (!$row || $settings['server'] === '' || $settings['domain'] === '') {
            return null;
        }
        return array(
            'version' => 1,
            'server' => explode(' ', $settings['server']),
            'uri' => 'sip:' . rawurlencode($row['number']) . '@' . $settings['domain'],
            'username' => $row['username'],
            'password' => SoftPhone_Secret_Model::open($row['secret'], $userId),
            'ha1' => null,
            'displayName' => $row['displayname'],
            'iceServers' => array(),
            'iceTransportPolicy' => 'all',
            // What is not set is not there: an empty country is none. An object, empty or not.
            'dialPlan' => (object) array_filter(array(
                'country' => $settings['country'], 'outPrefix' => $settings['outPrefix'],
            ), 'strlen'),
            'user' => array('id' => (string) (int) $userId, 'name' => $userName),
        );
    }
}
