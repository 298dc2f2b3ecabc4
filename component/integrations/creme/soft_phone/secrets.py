"""Passwords as they stand in the database: Fernet (AES-128-CBC, HMAC-SHA-256), with a key of `SECRET_KEY`, which is in the
settings and never in the database. The user's id is inside, so that a row moved to another user is refused."""

import base64
import hashlib
import json

from cryptography.fernet import Fernet
from django.conf import settings


def _fernet():
    digest = hashlib.sha256(b'soft_phone ' + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def seal(password, user_id):
    """The text that is kept."""
    return _fernet().encrypt(json.dumps([user_id, password]).encode()).decode()


def unseal(text, user_id):
    """The password; raises `ValueError` for another user's, `cryptography.fernet.InvalidToken` for what was changed."""
    owner, password = json.loads(_fernet().decrypt(text.encode()))
    if owner != user_id:
        raise ValueError('the secret of another user')
    return password
