// Telephone numbers of the world by the rules of one office: reads what is written, finds it in text, and says how it is
// dialled. Bundled with libphonenumber-js and its "min" metadata into dist/numbers.js, which is loaded when it is needed.

import { findPhoneNumbersInText, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/core';
import metadata from 'libphonenumber-js/min/metadata';
import { digitsOf, fromField, fromLink } from '../written.js';
import { isMeant } from './context.js';

/** What reaches an emergency service from any phone, whatever the country (3GPP TS 22.101 §10.1.1). */
const EMERGENCY = ['112', '911'];
/** An office that does not say how long its own numbers are has none that are longer. */
const INTERNAL = 5;
/** International prefixes that people write out of habit, wherever they are: most of the world's, and North America's. */
const ABROAD = /^(?:00|011)(?=[1-9])/;

/**
 * What a number comes to:
 * - `kind`: `number` (of the world), `internal`, `emergency`, `code` (with `*` or `#`), `address` (SIP), `unknown`;
 * - `number`: E.164 for a `number`, else as it is written;
 * - `dial`: what the phone sends; `extension`: the digits to be sent when somebody has answered.
 */
export class Numbers {
  #country;
  #prefix;
  #internal;
  #emergency;

  /** `plan` is `{country, outPrefix, extensionMaxDigits, emergency}`, each of which may be missing. */
  constructor(plan) {
    const country = String(plan?.country ?? '').toUpperCase();
    this.#country = isSupportedCountry(country, metadata) ? country : undefined;
    this.#prefix = digitsOf(String(plan?.outPrefix ?? ''));
    this.#internal = plan?.extensionMaxDigits ?? INTERNAL;
    this.#emergency = new Set([...EMERGENCY, ...(plan?.emergency ?? [])]);
  }

  /** Numbers of the office itself and of emergency services: nobody's contact, and never rewritten. */
  isInternal(digits) {
    return /^\d+$/.test(digits) && (digits.length <= this.#internal || this.#emergency.has(digits));
  }

  /** What a link means, or `null`. A link is somebody's word that this can be called: what is unknown is dialled as it is. */
  link(href) {
    const written = fromLink(href);
    if (!written) return null;
    const { address, number, extension } = written;
    if (address) return { kind: 'address', number: address, dial: address, extension: '' };
    return this.#resolve(number, extension);
  }

  /** What a field holds, or `null`: fields of telephone numbers hold words, dates and excuses as well. */
  field(text) {
    const written = fromField(text);
    if (!written) return null;
    if (written.words) {
      // "Phone: …", "… (Anna)": what is found is meant, as this is where numbers stand.
      const [first] = this.#search(written.text);
      return first ? this.#outcome(first.number) : null;
    }
    const { number, extension } = written;
    const found = this.#resolve(number, extension);
    if (found.kind === 'internal') return /^\d{2,}$/.test(written.text) ? found : null;
    if (found.kind !== 'unknown') return found;
    // Without a country there is no telling; with one, it is none of its numbers.
    const long = number.replace(/\D/g, '').length;
    return !this.#country && long >= 7 && long <= 15 ? found : null;
  }

  /** The numbers in the words of a page: `[{start, end, kind, number, dial, extension}]`, in order. */
  find(text) {
    const all = this.#search(text);
    return all
      .filter((found) => isMeant(text, { ...found, others: all.filter((other) => other !== found) }))
      .map(({ start, end, number }) => ({ start, end, ...this.#outcome(number) }));
  }

  /** E.164 where it is a number of the world, else as it is. */
  normalise(number) {
    const plain = digitsOf(number);
    if (plain === '' || /[^\d+().\s/-]/.test(number)) return number;
    const found = this.#resolve(plain, '');
    return found.kind === 'number' ? found.number : number;
  }

  #search(text) {
    const options = { defaultCountry: this.#country, v2: true };
    return findPhoneNumbersInText(text, options, metadata).map(({ startsAt, endsAt, number }) => ({ start: startsAt, end: endsAt, number }));
  }

  #resolve(digits, extension) {
    const asWritten = (kind) => ({ kind, number: digits, dial: digits, extension });
    if (/[*#]/.test(digits)) return asWritten('code');
    if (this.#emergency.has(digits)) return asWritten('emergency');
    if (this.isInternal(digits)) return asWritten('internal');
    const found = this.#parse(digits);
    return found ? this.#outcome(found, extension) : asWritten('unknown');
  }

  /** The number, as one of the country; else with what people put before it, and the office before them. */
  #parse(digits) {
    const read = (text) => {
      const number = parsePhoneNumberFromString(text, { defaultCountry: this.#country, extract: false }, metadata);
      // New ranges are called before they are in any list: with its country written down, the length must do.
      return number?.isValid() || (text.startsWith('+') && text === digits && number?.isPossible()) ? number : null;
    };
    const whole = read(digits);
    if (whole || digits.startsWith('+')) return whole;
    const abroad = ABROAD.test(digits) && read(digits.replace(ABROAD, '+'));
    if (abroad) return abroad;
    const out = this.#prefix && digits.startsWith(this.#prefix) && digits.length > this.#prefix.length + this.#internal;
    const behind = out && read(digits.slice(this.#prefix.length));
    // Eleven digits and more with the code of a country, but without its plus.
    return behind || (this.#country && digits.length > 10 && !digits.startsWith('0') ? read(`+${digits}`) : null);
  }

  #outcome(number, extension = '') {
    const country = this.#country;
    // Behind a prefix for the world outside there comes what is dialled in that world.
    const dial = this.#prefix && country ? this.#prefix + digitsOf(number.format('IDD', { fromCountry: country, v2: true }).split(/ ext/)[0]) : number.number;
    return { kind: 'number', number: number.number, dial, extension: extension || number.ext || '' };
  }
}
