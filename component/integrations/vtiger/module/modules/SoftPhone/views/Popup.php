<?php
/**
 * The phone in a window of its own: it and its calls outlive every page of vtiger. No frame and no menu of vtiger's, so
 * nothing here leads away from it.
 */
class SoftPhone_Popup_View extends Vtiger_View_Controller
{
    public function checkPermission(Vtiger_Request $request)
    {
        return true;
    }

    public function preProcess(Vtiger_Request $request, $display = true)
    {
        return true;
    }

    public function postProcess(Vtiger_Request $request)
    {
        return true;
    }

    public function process(Vtiger_Request $request)
    {
        $title = htmlspecialchars(vtranslate('SoftPhone', 'SoftPhone'), ENT_QUOTES, 'UTF-8');
        $folder = 'modules/SoftPhone/resources';
        header('Content-Type: text/html; charset=UTF-8');
        echo "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>$title</title>"
            . "<link rel=\"stylesheet\" href=\"$folder/Popup.css\"></head>"
            . "<body><script src=\"$folder/Popup.js\"></script></body></html>\n";
    }
}
