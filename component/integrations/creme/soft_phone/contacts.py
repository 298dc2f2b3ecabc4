"""Who has a number: people and organisations that the user may see, in Creme's own tables."""

import re

from creme import persons
from creme.creme_core.auth import EntityCredentials
from django.db.models import F, Value
from django.db.models.functions import Length, Replace

Contact = persons.get_contact_model()
Organisation = persons.get_organisation_model()

# So many digits at the end of a number are the same however it is written.
TAIL = 9
MOST = 20
FIELDS = ((Contact, 'phone'), (Contact, 'mobile'), (Organisation, 'phone'))


def digits(number):
    """The digits of a number, without those of an extension behind it."""
    main = re.split(r';ext=|[,;]|\bext\b|доб', number, maxsplit=1, flags=re.IGNORECASE)[0]
    return re.sub(r'[^0-9]', '', main)


def _plain(field):
    """The column without what people write between digits; in the database, whichever it is."""
    plain = F(field)
    for mark in ' -().+/\u00a0':
        plain = Replace(plain, Value(mark), Value(''))
    return plain


def with_number(number, user):
    """All of them, each once: `[entity]`. A short number is whole, and no other number's end."""
    wanted = digits(number)
    found = {}
    if len(wanted) < 3:
        return []
    for model, field in FIELDS:
        rows = EntityCredentials.filter(user, model.objects.filter(is_deleted=False)).annotate(plain=_plain(field))
        if len(wanted) < TAIL:
            rows = rows.filter(plain=wanted)
        else:
            rows = rows.annotate(length=Length('plain')).filter(length__gte=TAIL, plain__endswith=wanted[-TAIL:])
        for entity in rows.order_by('id')[:MOST]:
            found[entity.id] = entity
    return sorted(found.values(), key=lambda entity: entity.id)[:MOST]


def chosen(contact, user):
    """The record that somebody has chosen, if it is one and the user may see it."""
    key = contact.get('id') if isinstance(contact, dict) else None
    if not isinstance(key, (str, int)) or not str(key).isascii() or not str(key).isdigit() or len(str(key)) > 9:
        return None
    for model in (Contact, Organisation):
        entity = model.objects.filter(pk=int(key), is_deleted=False).first()
        if entity is not None:
            return entity if user.has_perm_to_view(entity) else None
    return None


def described(entity):
    """As the phone knows it."""
    return {
        'type': 'contact' if isinstance(entity, Contact) else 'organisation',
        'id': str(entity.id),
        'name': str(entity),
        'url': entity.get_absolute_url(),
        'company': '',
    }
