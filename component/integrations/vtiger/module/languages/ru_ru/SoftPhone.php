<?php
$languageStrings = array(
    'SoftPhone' => 'Телефон',
);
