"""The phone on every page of Creme, and what it asks for, below `/soft-phone/`.

Last in `MIDDLEWARE`, behind Creme's own: the user, the language and the token against forged requests are known then.
Nothing is inline and all is of Creme's own origin, so a policy needs no nonce for it: `script-src 'self'
'wasm-unsafe-eval'` and the SIP server in `connect-src`.
"""

import json
import logging
import re
from pathlib import Path

from django.conf import settings
from django.http import Http404, JsonResponse
from django.middleware.csrf import get_token
from django.utils.html import format_html
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_protect
from django.views.static import serve

from . import secrets
from .models import Account

PREFIX = '/soft-phone/'
MAX_EVENTS = 200
logger = logging.getLogger(__name__)


def problem(status, message):
    return JsonResponse({'message': message}, status=status)


def account(request):
    """GET: the account of whoever is signed in."""
    row = Account.objects.filter(user_id=request.user.id).first()
    if row is None:
        return problem(404, 'this user has no phone')
    conf = settings.SOFT_PHONE
    return JsonResponse({
        'version': 1, 'server': conf['SERVER'], 'uri': f'sip:{row.number}@{conf["DOMAIN"]}', 'username': row.number,
        'password': secrets.unseal(row.secret, request.user.id), 'ha1': None, 'displayName': row.display_name,
        'iceServers': conf.get('ICE_SERVERS', []), 'iceTransportPolicy': 'all',
        # What is not set is not there: an empty country is none.
        'dialPlan': {name: conf[key] for name, key in (('country', 'COUNTRY'), ('outPrefix', 'OUT_PREFIX')) if conf.get(key)},
        'user': {'id': str(request.user.id), 'name': str(request.user)},
        'csrf': {'name': 'csrfmiddlewaretoken', 'value': get_token(request)},
    })


@csrf_protect
def calls(request):
    """POST: call events, as a form, which is where Django looks for its token."""
    from .calls import take  # Creme's models are there once its apps are.

    if request.method != 'POST':
        return problem(405, 'events are posted')
    try:
        events = json.loads(request.POST.get('events', ''))
    except ValueError:
        events = None
    if not isinstance(events, list) or not events:
        return problem(400, 'events is a list of call events, in JSON')
    if len(events) > MAX_EVENTS:
        return problem(413, 'too many events at once')
    return JsonResponse({'results': [take(event, request.user) for event in events]})


def lookup(request):
    """GET `number`: everybody with this number whom the user may see."""
    from .contacts import described, with_number

    found = with_number(request.GET.get('number', '')[:100], request.user)
    return JsonResponse({'candidates': [described(entity) for entity in found]})


class SoftPhoneMiddleware:
    pages = {'account': account, 'calls': calls, 'lookup': lookup}

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path_info.startswith(PREFIX):
            return self.answer(request, request.path_info[len(PREFIX):])
        return self.add(request, self.get_response(request))

    def answer(self, request, name):
        folder, _, file = name.partition('/')
        if folder == 'files':
            return self.file(request, file)
        page = self.pages.get(name)
        if page is None:
            return problem(404, 'no such page')
        if not request.user.is_authenticated:
            return problem(401, 'sign in first')
        try:
            response = page(request)
        except Exception:
            # The phone comes again; the browser learns no more than that.
            logger.exception('the phone asked for %s', name)
            response = problem(500, 'the server cannot do this now')
        response['Cache-Control'] = 'no-store'
        return response

    def file(self, request, name):
        """Of the phone's files, and the script beside them. A web server in front may serve them instead."""
        own = Path(__file__).parent / 'static'
        if not re.fullmatch(r'[A-Za-z0-9_-][A-Za-z0-9_.-]*', name):
            return problem(404, 'no such file')
        try:
            return serve(request, name, document_root=own if name == 'creme.js' else settings.SOFT_PHONE['DIST'])
        except Http404:
            return problem(404, 'no such file')

    def add(self, request, response):
        """Puts the phone before the end of a whole page; parts of pages, files and errors stay as they are."""
        user = getattr(request, 'user', None)
        is_page = (
            response.status_code == 200 and not response.streaming
            and response.get('Content-Type', '').startswith('text/html') and b'</body>' in response.content
        )
        if not is_page or user is None or not user.is_authenticated or not Account.objects.filter(user_id=user.id).exists():
            return response
        element = format_html(
            '<soft-phone account-url="{0}account" calls-url="{0}calls" calls-style="form" lookup-url="{0}lookup"'
            ' click-to-call lang="{1}"></soft-phone><script type="module" src="{0}files/creme.js"></script>',
            PREFIX, get_language() or 'en',
        )
        before, _, after = response.content.rpartition(b'</body>')
        response.content = before + element.encode() + b'</body>' + after
        if response.has_header('Content-Length'):
            response['Content-Length'] = str(len(response.content))
        return response
