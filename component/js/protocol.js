// The browser's hand-over of `tel:` and `sip:` links of other pages and programs to this application: the offer in the
// phone's settings, and what comes of it.

const PARAMETER = 'soft-phone-dial';
/** Those that HTML lets a page handle (HTML §8.10.1.1, "safelisted scheme"); `sips` and `callto` are not among them. */
const SCHEMES = ['tel', 'sip'];

/** This page, with a place for the link. */
function handler() {
  const url = new URL(location.href);
  url.hash = '';
  url.searchParams.delete(PARAMETER);
  return `${url.href}${url.search ? '&' : '?'}${PARAMETER}=%s`;
}

/** The link that was handed over with this page's address, once: the address is the page's own again. */
export function handedOver() {
  const url = new URL(location.href);
  const link = url.searchParams.get(PARAMETER);
  if (link === null) return null;
  url.searchParams.delete(PARAMETER);
  history.replaceState(history.state, '', url);
  return SCHEMES.some((scheme) => link.toLowerCase().startsWith(`${scheme}:`)) ? link : null;
}

/** The control in the settings. Browsers do not say whether they have been told before: it only offers. */
export class Offer {
  #button = null;

  constructor(phone, isRussian) {
    const settings = phone.shadowRoot.querySelector('.settings');
    if (!settings || !isSecureContext || !navigator.registerProtocolHandler) return;
    this.#button = document.createElement('button');
    this.#button.type = 'button';
    this.#button.className = 'small';
    this.#button.name = 'protocol';
    this.#button.textContent = isRussian ? 'Открывать здесь ссылки tel: и sip: с других страниц' : 'Open tel: and sip: links of other pages here';
    this.#button.addEventListener('click', (event) => {
      event.stopPropagation();
      for (const scheme of SCHEMES) {
        try {
          navigator.registerProtocolHandler(scheme, handler());
        } catch {
          // A browser that does not let pages have this one: the other may still do.
        }
      }
    });
    settings.append(this.#button);
  }

  close() {
    this.#button?.remove();
  }
}
