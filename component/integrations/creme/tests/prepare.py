"""Fills a new database of Creme: a phone for root, and people with numbers. Run by Creme's Python, once."""

import django

django.setup()

from creme import persons
from django.contrib.auth import get_user_model
from soft_phone.models import Account
from soft_phone.secrets import seal

root = get_user_model().objects.get(username='root')
Account.objects.create(user_id=root.id, number='100', display_name='Root', secret=seal('pw-100', root.id))
Contact, Organisation = persons.get_contact_model(), persons.get_organisation_model()
# In the browser's case 600 is Asterisk's echo.
Contact.objects.create(user=root, first_name='Echo', last_name='Valley', phone='600')
Contact.objects.create(user=root, first_name='Ivan', last_name='Petrov', mobile='8 (916) 123-45-67')
Organisation.objects.create(user=root, name='Romashka', phone='+7 495 765.43.21')
Contact.objects.create(user=root, first_name='Short', last_name='Number', phone='1234')
