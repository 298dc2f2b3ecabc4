<?php
$languageStrings = array(
    'SoftPhone' => 'Phone',
);
