// Keeps up with a page that changes: makes elements that are numbers usable by keyboard and screen reader, finds open
// shadow roots, and turns numbers in the page's words into links. All in slices between frames: a page that adds ten
// thousand nodes at once waits for none of it.
//
//   MutationObserver ─► queue of nodes ─► idle slices: walk ─► element: decorate · shadow root: watch · text: link

/** Marks an element that was made usable here. */
export const READY = 'data-phone-ready';
/** Marks a link that was made here. */
const FOUND = 'data-phone-found';
/** Longest slice, ms: half of a frame at 60 Hz. */
const SLICE_MS = 8;
/** What is taken of one text node: longer ones are data, not words. */
const LONGEST = 5_000;
/** Seven digits, not far from each other: fewer are no number that words are searched for. */
const LIKELY = /\d(?:[^\p{L}\d]{0,4}\d){6}/u;

/** What is usable without help. */
const CONTROLS = new Set('a button input select textarea label summary audio video'.split(' '));
const CLOSED = new Set('script style noscript template textarea input select option title iframe object canvas svg math'.split(' '));
/** Words in here are not words: no links are made in them. */
const NO_LINKS = `a, button, label, summary, code, kbd, samp, var, time, [role="button"], [role="link"], [role="option"]`;

/** Whether nothing in this element is called: the phone, what the user edits, and where the page says so. */
export const isOffLimits = (element) =>
  element.localName === 'soft-phone' || (element.hasAttributes() && (
    element.hasAttribute('data-no-phone') || element.getAttribute('role') === 'textbox'
    || (element.hasAttribute('contenteditable') && element.getAttribute('contenteditable').toLowerCase() !== 'false')));
/** Whether nothing in it is looked at. */
const isClosed = (element) => CLOSED.has(element.localName) || isOffLimits(element);

const parentOf = (node) => node.parentElement ?? (node.getRootNode() instanceof ShadowRoot ? node.getRootNode().host : null);

function isInside(node, test) {
  for (let element = node instanceof Element ? node : parentOf(node); element; element = parentOf(element)) {
    if (test(element)) return true;
  }
  return false;
}

/** Under another page's style sheets, where there is no say in its elements' own. */
const SHEET = `[${READY}] { cursor: pointer; }`;
/** Steps that cost as much as one that reads a text, or makes an element usable. */
const LIGHT = 16;

export class PageWatch {
  #rules;
  #sheet = new CSSStyleSheet();
  #find = null;
  #observer = new MutationObserver((records) => this.#changed(records));
  // Roots under watch. One whose host has left the page is let go with the next slice.
  #roots = new Set();
  #queue = [];
  #walk = null;
  #job = null;
  // A text node whose tail became links -> `{data, pieces}`: what it said, and the nodes that were put behind it.
  #linked = new WeakMap();
  // A link of ours -> the text node that it came from.
  #origin = new WeakMap();
  // Elements of classes that the page has yet to define.
  #waiting = new Map();
  // What is claimed besides `data-phone`.
  #selector = '';
  #closed = false;

  /** `rules` is `{claims(element), interactive, label(text)}`. */
  constructor(rules) {
    this.#rules = rules;
    this.#sheet.replaceSync(SHEET);
    this.#watch(document);
  }

  /** Elements that match this are numbers, too; empty: none. */
  claim(selector) {
    if (selector === this.#selector) return;
    this.#selector = selector;
    for (const root of this.#roots) this.#enqueue(root);
  }

  /** Looks for numbers in the page's words with this function, or not any more (`null`). */
  scan(find) {
    if (find === this.#find) return;
    this.#find = find;
    // Other rules may find others.
    this.#unlink();
    this.#observer.disconnect();
    for (const root of this.#roots) this.#observe(root);
    for (const root of this.#roots) this.#enqueue(root);
  }

  /** Whether a link was made here. */
  made(link) { return this.#origin.has(link); }

  close() {
    this.#closed = true;
    this.#observer.disconnect();
    cancel(this.#job);
    this.#queue.length = 0;
    this.#unlink();
    for (const root of this.#roots) {
      for (const element of root.querySelectorAll(`[${READY}]`)) undecorate(element);
      root.adoptedStyleSheets = root.adoptedStyleSheets.filter((sheet) => sheet !== this.#sheet);
    }
    this.#roots.clear();
  }

  #watch(root) {
    if (this.#roots.has(root) || this.#closed) return;
    this.#roots.add(root);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, this.#sheet];
    this.#observe(root);
    this.#enqueue(root);
  }

  #observe(root) {
    this.#observer.observe(root, { childList: true, subtree: true, characterData: Boolean(this.#find), attributes: true, attributeFilter: ['data-phone'] });
  }

  #changed(records) {
    for (const { type, target, addedNodes, removedNodes } of records) {
      if (type === 'childList') {
        for (const node of addedNodes) if (node.nodeType === 1 || this.#find) this.#queue.push(node);
        if (this.#find) for (const node of removedNodes) this.#left(node);
      } else {
        // Who has written here has written the whole: what was cut off its end is not its own any more.
        if (type === 'characterData') this.#removePieces(target);
        this.#queue.push(target);
      }
    }
    this.#schedule();
  }

  #enqueue(node) {
    this.#queue.push(node);
    this.#schedule();
  }

  #schedule() {
    if (!this.#job && !this.#closed && (this.#queue.length || this.#walk)) this.#job = later((end) => this.#work(end));
  }

  #work(end) {
    this.#job = null;
    // Until here the page may have moved what stands around what waits.
    this.#parent = null;
    // The clock costs as much as a light step.
    for (let work = 0; this.#step(); work += 1) {
      if (this.#heavy) work += LIGHT;
      this.#heavy = false;
      if (work < LIGHT) continue;
      if (performance.now() >= end) break;
      work = 0;
    }
    if (!this.#walk && !this.#queue.length) {
      for (const root of this.#roots) if (!root.isConnected) this.#roots.delete(root);
    }
    this.#schedule();
  }

  /** Looks at one node; false when there is none left. */
  #step() {
    if (!this.#walk) {
      if (!this.#queue.length) return false;
      if (this.#taken >= this.#queue.length) {
        this.#queue.length = this.#taken = 0;
        return false;
      }
      const top = this.#queue[this.#taken];
      this.#taken += 1;
      if (!top.isConnected || this.#isShut(top)) return true;
      this.#walk = { top, node: top };
    }
    const { node } = this.#walk;
    let inside = true;
    if (node.nodeType === 1) inside = this.#element(node);
    else if (node.nodeType === 3) {
      this.#walk.node = this.#text(node);
      if (this.#walk.top === node) this.#walk.top = this.#walk.node;
    }
    if (!advance(this.#walk, inside)) this.#walk = null;
    return true;
  }
  #taken = 0;
  #heavy = false;

  /** Whether it stands in something that is not looked at. Siblings come together: their parent is asked once. */
  #isShut(node) {
    const parent = node.parentNode ?? node;
    if (parent !== this.#parent) {
      this.#parent = parent;
      this.#shut = isInside(parent, isClosed);
    }
    return this.#shut;
  }
  #parent = null;
  #shut = false;

  /** Whether what is in it is looked at, too. */
  #element(element) {
    if (isClosed(element)) return false;
    if (element.shadowRoot) this.#watch(element.shadowRoot);
    else if (element.localName.includes('-')) this.#await(element);
    if (element.hasAttribute('data-phone') || (this.#selector && element.matches(this.#selector))) this.#decorate(element);
    else if (element.hasAttribute(READY)) undecorate(element);
    return true;
  }

  /** An element gets its shadow root from its class, which may come late. */
  #await(element) {
    const name = element.localName;
    if (customElements.get(name)) return;
    const known = this.#waiting.get(name);
    if (known) {
      known.push(element);
      return;
    }
    this.#waiting.set(name, [element]);
    customElements.whenDefined(name).then(() => {
      for (const late of this.#waiting.get(name)) this.#enqueue(late);
      this.#waiting.delete(name);
    });
  }

  // ---- elements that are numbers

  #decorate(element) {
    const { interactive, claims, label } = this.#rules;
    this.#heavy = true;
    // What has a role, a place in the order of the keyboard, or controls of its own has them from the page.
    if (element.hasAttribute(READY) || element.hasAttribute('role') || element.hasAttribute('tabindex')) return;
    if (CONTROLS.has(element.localName) || (element.firstElementChild && element.querySelector(interactive)) || !claims(element)) return;
    element.setAttribute(READY, '');
    element.setAttribute('role', 'button');
    element.setAttribute('tabindex', '0');
    if (!element.textContent.trim() && !element.hasAttribute('aria-label')) {
      element.setAttribute('aria-label', label(element.getAttribute('data-phone') ?? ''));
      element.setAttribute(READY, 'label');
    }
  }

  // ---- numbers in words

  /** Makes links of the numbers in a text; returns the last node that it has become. */
  #text(text) {
    if (!this.#find || text.length < 7 || text.length > LONGEST || !LIKELY.test(text.data)) return text;
    if (this.#linked.has(text) || text.parentElement?.closest(NO_LINKS)) return text;
    this.#heavy = true;
    const found = this.#find(text.data);
    if (!found.length) return text;
    // What happens on the page meanwhile is not lost, and what happens here is not looked at.
    this.#changed(this.#observer.takeRecords());
    const { data } = text;
    const pieces = [];
    for (const { start, end, number, extension } of found.reverse()) {
      const tail = text.splitText(end);
      const link = document.createElement('a');
      link.href = `tel:${number}${extension && `;ext=${extension}`}`;
      link.setAttribute(FOUND, '');
      this.#origin.set(link, text);
      const words = text.splitText(start);
      words.before(link);
      link.append(words);
      pieces.push(link, tail);
    }
    this.#linked.set(text, { data, pieces });
    this.#observer.takeRecords();
    return pieces[1];
  }

  #removePieces(text) {
    const linked = this.#linked.get(text);
    if (!linked) return null;
    this.#linked.delete(text);
    for (const piece of linked.pieces) piece.remove();
    this.#observer.takeRecords();
    return linked;
  }

  /** A text that is taken away is given back as it was. */
  #left(node) {
    const linked = node.nodeType === 3 && this.#removePieces(node);
    if (linked) node.data = linked.data;
  }

  #unlink() {
    for (const root of this.#roots) {
      for (const link of root.querySelectorAll(`a[${FOUND}]`)) {
        const text = this.#origin.get(link);
        const linked = text && this.#removePieces(text);
        if (linked) text.data = linked.data;
      }
    }
  }
}

function undecorate(element) {
  if (element.getAttribute(READY) === 'label') element.removeAttribute('aria-label');
  for (const name of [READY, 'role', 'tabindex']) element.removeAttribute(name);
}

/** Moves a walk to the next node in the order of the document; false at its end. */
function advance(walk, inside) {
  let { node } = walk;
  if (inside && node.firstChild) {
    walk.node = node.firstChild;
    return true;
  }
  for (; node && node !== walk.top; node = node.parentNode) {
    if (node.nextSibling) {
      walk.node = node.nextSibling;
      return true;
    }
  }
  return false;
}

/** When the browser has time, half a second from now at the latest. */
const later = (act) => {
  const slice = () => act(performance.now() + SLICE_MS);
  return globalThis.requestIdleCallback ? requestIdleCallback(slice, { timeout: 500 }) : setTimeout(slice, 16);
};
const cancel = (job) => (globalThis.cancelIdleCallback ? cancelIdleCallback(job) : clearTimeout(job));
