"""Gives a user a SIP account, or takes it away: `creme soft_phone_account NAME NUMBER < password`."""

import sys

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from soft_phone.models import Account
from soft_phone.secrets import seal


class Command(BaseCommand):
    help = 'Gives a user a SIP account; the password is read from the standard input. Without a number: takes it away.'

    def add_arguments(self, parser):
        parser.add_argument('name')
        parser.add_argument('number', nargs='?')
        parser.add_argument('--display-name', default='')

    def handle(self, *, name, number, display_name, **options):
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            raise CommandError(f'there is no user {name}')
        if not number:
            Account.objects.filter(user_id=user.id).delete()
            return
        password = sys.stdin.readline().rstrip('\n')
        if not password:
            raise CommandError('the password is read from the standard input, and there is none')
        values = {'number': number, 'display_name': display_name, 'secret': seal(password, user.id)}
        Account.objects.update_or_create(user_id=user.id, defaults=values)
