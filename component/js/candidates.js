// Who may be meant by a number, as an application's server says: checked here, as nothing else does, and remembered for the
// session.

/** What a window can show and a user can choose from. */
const MOST = 20;
/** Characters of a field. */
const LONGEST = 200;
/** Numbers that are remembered. */
const REMEMBERED = 100;
const KEY = 'soft-phone-lookup';

/** A page that came safely leads to pages that come safely; none leads to a script, a file, or with a password. */
function linked(url, base) {
  if (typeof url !== 'string' || !url.trim()) return '';
  try {
    const { href, protocol, username, password } = new URL(url, base);
    const safe = protocol === 'https:' || (protocol === 'http:' && new URL(base).protocol === 'http:');
    return safe && !username && !password ? href : '';
  } catch {
    return '';
  }
}

/** A field in one line. */
const text = (value) => (typeof value === 'number' ? String(value) : typeof value === 'string' ? value : '').replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim().slice(0, LONGEST);

/**
 * The candidates of an answer `{candidates: [{type, id, name, url, company}]}`, each with all of these as text; those that
 * have no name or no id are left out, and those that are there twice. Throws for what is no such answer.
 */
export function readCandidates(answer, base) {
  if (!Array.isArray(answer?.candidates)) throw new TypeError('the answer has no list `candidates`');
  const known = new Set();
  const candidates = [];
  for (const given of answer.candidates) {
    if (typeof given !== 'object' || given === null) throw new TypeError('a candidate is no object');
    const candidate = { type: text(given.type), id: text(given.id), name: text(given.name), url: linked(given.url, base), company: text(given.company) };
    const key = `${candidate.type}\n${candidate.id}`;
    if (!candidate.name || !candidate.id || known.has(key)) continue;
    known.add(key);
    candidates.push(candidate);
    if (candidates.length === MOST) break;
  }
  return candidates;
}

/**
 * Answers of this session, the last ones: in sessionStorage, as an application's pages come and go; each for one user and
 * one address. What is not there may be there in a minute, and is not remembered.
 */
export class Answers {
  #storage;

  constructor(storage) {
    this.#storage = storage;
  }

  get(scope, number) {
    const found = this.#read().find(([key]) => key === `${scope} ${number}`);
    return found ? found[1] : null;
  }

  put(scope, number, candidates) {
    if (!candidates.length) return;
    const key = `${scope} ${number}`;
    const rows = this.#read().filter(([other]) => other !== key);
    rows.push([key, candidates]);
    try {
      this.#storage?.setItem(KEY, JSON.stringify(rows.slice(-REMEMBERED)));
    } catch {
      // Full or forbidden: it is asked again.
    }
  }

  #read() {
    try {
      const rows = JSON.parse(this.#storage?.getItem(KEY) ?? '[]');
      return Array.isArray(rows) ? rows.filter((row) => Array.isArray(row) && Array.isArray(row[1])) : [];
    } catch {
      return [];
    }
  }
}
