"""Creme as the tests run it: its own settings, SQLite, and the phone. The environment says where."""

import os
from pathlib import Path

from creme.settings import *  # noqa: F403

FOLDER = Path(os.environ['CREME_FOLDER'])
DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.sqlite3',
        'NAME': os.environ['CREME_DATABASE'],
        # It is thrown away: waiting for the disk takes longer than all else.
        'OPTIONS': {'init_command': 'PRAGMA synchronous=OFF', 'timeout': 20},
    },
}
SECRET_KEY = 'of the tests, and of nothing else'
SITE_DOMAIN = 'http://127.0.0.1'
LANGUAGE_CODE = 'en'
TIME_ZONE = 'UTC'
MEDIA_ROOT = FOLDER / 'upload'
STATIC_ROOT = FOLDER / 'static'
GENERATED_MEDIA_NAMES_FILE = FOLDER / 'soft_phone_test_media.py'
GENERATED_MEDIA_NAMES_MODULE = 'soft_phone_test_media'
# Creme's own buttons behind numbers; not among its default apps.
INSTALLED_APPS += ['creme.cti', 'soft_phone']  # noqa: F405
MIDDLEWARE.append('soft_phone.middleware.SoftPhoneMiddleware')  # noqa: F405
SOFT_PHONE = {
    'SERVER': ['ws://127.0.0.1:8088/ws'],
    'DOMAIN': '127.0.0.1',
    'DIST': os.environ['SOFT_PHONE_DIST'],
}
