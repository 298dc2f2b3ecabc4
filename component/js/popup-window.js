// The page of the phone's own window (popup.html): makes a phone as the page says that has opened it (popup.js has the messages).
// It leads (tabs.js), and stays when that page goes. What it was told without secrets is kept in the window's own storage, for
// when it is loaded anew; the account of a page that has set one is asked for each time.

import './soft-phone.js';

const KEPT = 'soft-phone-window';
/** So often a page is asked that does not answer, ms: it may be a new one that has no phone yet. */
const AGAIN_MS = 500;
/** So long an account may take, ms. */
const LIMIT_MS = 20_000;

const WORDS = {
  en: { title: 'Phone', waits: 'Open the phone from a page of your application.' },
  ru: { title: 'Телефон', waits: 'Откройте телефон на странице вашего приложения.' },
};

let phone = null;
// Its account is the page's to tell.
let asks = false;
// The attributes that it has of a page.
let told = [];
// The page that speaks with us, which may be another one by now.
let page = opener;
let number = 0;
const asked = new Map();

/** False where there is no page any more. */
const say = (message) => {
  if (!page || page.closed) return false;
  page.postMessage({ ...message, name: window.name }, location.origin);
  return true;
};

function words(lang) {
  const known = WORDS[lang?.slice(0, 2).toLowerCase()] ?? WORDS.en;
  document.documentElement.lang = known === WORDS.ru ? 'ru' : 'en';
  document.title = known.title;
  return known;
}

const ask = () => new Promise((resolve, reject) => {
  number += 1;
  const ends = { resolve, reject };
  asked.set(number, ends);
  setTimeout(() => reject(new Error('no page gives the account')), LIMIT_MS);
  if (!say({ softPhone: 'ask', number })) reject(new Error('the page that gives the account is gone'));
});

function become({ attributes, given }) {
  words(attributes.lang);
  const next = phone ?? document.createElement('soft-phone');
  const all = { ...attributes, mode: 'inline' };
  for (const name of told) if (!(name in all)) next.removeAttribute(name);
  told = Object.keys(all);
  for (const [name, value] of Object.entries(all)) if (next.getAttribute(name) !== value) next.setAttribute(name, value);
  if (given !== asks) {
    asks = given;
    next.credentials = given ? ask : null;
  }
  if (phone) return;
  phone = next;
  phone.addEventListener('soft-phone-dial', (event) => {
    try {
      const detail = { name: window.name, ...event.detail };
      const told = new page.CustomEvent('soft-phone-window-dial', { cancelable: true, detail });
      if (!page.dispatchEvent(told)) event.preventDefault();
    } catch {
      // There is no page, or one of somebody else's.
    }
  });
  phone.style.setProperty('--soft-phone-width', '100%');
  document.body.style.margin = '0';
  document.body.replaceChildren(phone);
}

addEventListener('message', ({ data, origin, source }) => {
  if (origin !== location.origin || !source || source === window) return;
  if (data?.softPhone === 'settings') {
    const { attributes, given } = data;
    page = source;
    sessionStorage.setItem(KEPT, JSON.stringify({ attributes, given }));
    become({ attributes, given });
  } else if (data?.softPhone === 'account') {
    const { resolve, reject } = asked.get(data.number) ?? {};
    asked.delete(data.number);
    if (data.error === undefined) resolve?.(data.account);
    else reject?.(new Error(data.error));
  }
});

const kept = JSON.parse(sessionStorage.getItem(KEPT));
if (kept) become(kept);
else document.body.textContent = words(navigator.language).waits;

const ready = () => {
  say({ softPhone: 'ready' });
  if (!phone) setTimeout(ready, AGAIN_MS);
};
ready();
