// A number as somebody has written it, in a link or in a field: cleaned, and taken apart into what is dialled and the
// extension behind it. What needs to know a country's numbers is in numbers/, which is loaded when it is needed.

/** Zeros of the decimal digits that NFKC does not turn into ASCII's. */
const ZEROS = [0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xe50];
const asciiDigit = (digit) => {
  const code = digit.codePointAt(0);
  const zero = ZEROS.find((zero) => code >= zero && code < zero + 10);
  return zero === undefined ? digit : String(code - zero);
};

/** One kind of space, of hyphen and of digit; no marks of direction, no soft hyphens. The length may change. */
export const plain = (text) =>
  text
    .normalize('NFKC')
    .replace(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, '')
    .replace(/\p{Nd}/gu, asciiDigit)
    .replace(/[\u2010-\u2015\u2043\u2212]/g, '-')
    .replace(/[ \u00a0\t]+/g, ' ')
    .trim();

/** What stands before the digits of an extension, in the languages of the window and of their neighbours. */
const LABEL = 'доб(?:авочный)?|вн(?:утр(?:енний)?)?|дод(?:атковий)?|e?xt(?:ensi[oó]n|n)?|x|int(?:erno|ern)?|anexo|poste|durchwahl|dw|wew(?:n)?|dahili|toestel|tst|ankn|ramal|klapka|linka|内線|分机|שלוחה';
const EXTENSION = new RegExp(`[\\s,;(/-]*(?:(?<![\\p{L}])(?:${LABEL})[.:]{0,2}\\s*|[,;p]+\\s*(?:ext=)?)(\\d{1,7})\\s*\\)?$`, 'iu');

/** `[number, extension]`; the extension is empty when there is none. Commas and `p` are the pauses that phones know. */
export function split(text) {
  const found = EXTENSION.exec(text);
  // A list of two numbers ends in digits behind a comma, too: an extension has something before it to belong to.
  if (!found || (text.slice(0, found.index).match(/\d/g) ?? []).length < 5) return [text, ''];
  return [text.slice(0, found.index), found[1]];
}

const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** Only what can be dialled. */
export const digitsOf = (text) => text.replace(/[^\d+*#]/g, '').replace(/(?!^)\+/g, '');

/**
 * What a link of the schemes `tel` (RFC 3966), `sip`, `sips` (RFC 3261 §19.1) and `callto` means:
 * `{number, extension}`, `{address}`, or `null` when it is none or cannot be dialled.
 *
 * The headers of a SIP address are left out: they would become headers of our INVITE, and a page may have its links from
 * anybody.
 */
export function fromLink(href) {
  const [, scheme, rest] = /^\s*(tel|sips?|callto):(?:\/\/)?(.*?)\s*$/is.exec(href) ?? [];
  if (scheme === undefined) return null;
  const body = rest.split('?')[0];
  if (/^sip/i.test(scheme) && body.includes('@')) {
    return /^[^\s@<>"]+@[^\s@<>"]+$/.test(body) ? { address: `${scheme.toLowerCase()}:${body}` } : null;
  }
  const [head, ...parameters] = decoded(body).split(';');
  const value = (name) => parameters.find((it) => it.toLowerCase().startsWith(`${name}=`))?.slice(name.length + 1);
  let [number, extension] = split(plain(head));
  if (/\p{L}/u.test(number)) return null;
  number = digitsOf(number);
  if (!/\d/.test(number)) return null;
  // RFC 3966 §5.1.5: a local number is complete with the context that it stands in, where that is a number itself.
  const context = plain(value('phone-context') ?? '');
  if (!number.startsWith('+') && /^\+[\d.()-]+$/.test(context)) number = digitsOf(context) + number;
  // Behind a semicolon that is no parameter, phones wait for a key before they send it.
  extension = digitsOf(value('ext') ?? parameters.find((it) => /^\d+$/.test(it)) ?? extension);
  return { number, extension };
}

const DATE = /^\d{1,4}([./-])\d{1,2}\1\d{1,4}(?!\d)(?:,?\s+\d{1,2}:\d{2}(?::\d{2})?)?\.?$/;
const ADDRESS = /^\d{1,3}(?:\.\d{1,3}){3}(?::\d+|\/\d+)?$/;
const MONEY = /\p{Sc}|^\d{1,3}(?:[ .,']\d{3})*[.,]\d{2}$|\.-$/u;

/** Whether a field that holds no words holds something else than a number. */
export const isOther = (text) => DATE.test(text) || ADDRESS.test(text) || MONEY.test(text);

/**
 * What a field holds that knows nothing of countries: `{number, extension, text}`, where `text` is how it was written;
 * `null` when there is no number in it. `words` says that it holds words as well, which take more to be understood.
 */
export function fromField(field) {
  const text = plain(field);
  if (!/\d/.test(text) || text.length > 200 || text.includes('@')) return null;
  const [rest, extension] = split(text);
  const words = /\p{L}/u.test(rest);
  // Of two numbers the first.
  const [first] = rest.split(/[,;|\n]|\s\/\s/).filter((part) => /\d/.test(part));
  if (words) return { number: '', extension, text, words };
  if (!first || isOther(rest) || isOther(first.trim())) return null;
  const several = first.trim() !== rest.trim();
  return { number: digitsOf(first), extension: several ? '' : extension, text: first.trim(), words };
}
