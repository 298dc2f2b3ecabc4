// What is written after a call, and what the application has not taken: two forms in the phone's window. Loaded when there
// is something to write or to read.

const WORDS = {
  en: {
    title: 'After the call with {who}', outcome: 'Outcome', choose: 'Choose…', notes: 'Notes', save: 'Save', skip: 'Skip',
    more: '{n} more to be written', signIn: 'Sign in to the application again: your calls are kept here until then.',
    unreachable: 'The application cannot be reached: your calls are kept here and sent later.',
    refused: 'The application did not take {n} entries about calls:', again: 'Send again', forget: 'Discard', retry: 'Try now',
  },
  ru: {
    title: 'После разговора: {who}', outcome: 'Итог', choose: 'Выберите…', notes: 'Заметки', save: 'Сохранить', skip: 'Пропустить',
    more: 'осталось заполнить: {n}', signIn: 'Войдите в приложение снова: до тех пор звонки хранятся здесь.',
    unreachable: 'Приложение недоступно: звонки хранятся здесь и будут отправлены позже.',
    refused: 'Приложение не приняло записи о звонках ({n}):', again: 'Отправить снова', forget: 'Удалить', retry: 'Повторить',
  },
};

const STYLE = `
.desk { display: grid; gap: 8px; padding: 12px; border-top: 1px solid var(--line); color: var(--text); }
.desk[hidden] { display: none; }
.desk h2 { margin: 0; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
.desk label { display: grid; gap: 4px; font-size: .875rem; color: var(--muted); }
.desk select, .desk textarea { font: inherit; color: var(--text); background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: 6px 8px; resize: vertical; }
.desk ul { margin: 0; padding-inline-start: 1.2em; max-height: 8em; overflow: auto; overflow-wrap: anywhere; font-size: .875rem; }
.desk .row { display: flex; gap: 8px; flex-wrap: wrap; }
.desk button { padding: 6px 14px; border-radius: 8px; background: var(--raised); border: 1px solid var(--line); cursor: pointer; }
.desk button.first { background: var(--accent); color: var(--surface); border-color: transparent; }
.desk :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.desk .trouble { color: var(--bad); }
`;

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export class Desk {
  #phone;
  #actions;
  #form;
  #reports;
  // Rows of calls that are to be written about, oldest first.
  #waiting = [];

  /** `actions` is `{save(id, facts), bury(again), retry()}`. */
  constructor(phone, actions) {
    this.#phone = phone;
    this.#actions = actions;
    const root = phone.shadowRoot;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
    this.#form = make('form', { class: 'desk', part: 'wrap-up', hidden: '' });
    this.#reports = make('section', { class: 'desk', part: 'reports', role: 'status', hidden: '' });
    for (const section of [this.#form, this.#reports]) {
      // Keys and clicks in here are not for the phone.
      for (const type of ['keydown', 'keyup', 'keypress', 'input', 'paste', 'click', 'pointerdown']) {
        section.addEventListener(type, (event) => event.stopPropagation());
      }
    }
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#save();
    });
    root.querySelector('[part~="window"]')?.append(this.#form, this.#reports);
  }

  close() {
    this.#form.remove();
    this.#reports.remove();
  }

  get #words() {
    const lang = (this.#phone.lang || document.documentElement.lang || 'en').slice(0, 2).toLowerCase();
    return WORDS[lang] ?? WORDS.en;
  }

  get #required() { return this.#phone.hasAttribute('wrap-up'); }

  /** A call is over: asks what came of it. One that nobody has to write about makes room for the next. */
  write(row) {
    if (this.#waiting.some((it) => it.id === row.id)) return;
    if (!this.#required) this.#waiting.length = 0;
    this.#waiting.push(row);
    this.#draw();
    if (this.#required) this.#phone.open();
  }

  #draw() {
    const [row] = this.#waiting;
    this.#form.hidden = !row;
    if (!row || this.#form.dataset.call === row.id) return this.#count();
    const words = this.#words;
    this.#form.dataset.call = row.id;
    const { direction, from, to, peerName } = row.snapshot;
    const who = peerName || (direction === 'inbound' ? from : to);
    const outcomes = (this.#phone.getAttribute('wrap-up') ?? '').split(',').map((word) => word.trim()).filter(Boolean);
    const parts = [make('h2', {}, words.title.replace('{who}', who))];
    if (outcomes.length) {
      const select = make('select', { name: 'outcome' }, make('option', { value: '' }, words.choose), ...outcomes.map((it) => make('option', { value: it }, it)));
      select.value = outcomes.includes(row.extra.outcome) ? row.extra.outcome : '';
      if (this.#required) select.required = true;
      parts.push(make('label', {}, words.outcome, select));
    }
    const notes = make('textarea', { name: 'notes', rows: '2', maxlength: '8000' });
    notes.value = row.extra.notes ?? '';
    if (this.#required && !outcomes.length) notes.required = true;
    parts.push(make('label', {}, words.notes, notes));
    const buttons = make('div', { class: 'row' }, make('button', { class: 'first', name: 'save' }, words.save));
    if (!this.#required) {
      const skip = make('button', { type: 'button', name: 'skip' }, words.skip);
      skip.addEventListener('click', () => this.#next());
      buttons.append(skip);
    }
    this.#form.replaceChildren(...parts, buttons, make('small', {}));
    this.#count();
  }

  #count() {
    const more = this.#waiting.length - 1;
    const line = this.#form.querySelector('small');
    if (line) line.textContent = more > 0 ? this.#words.more.replace('{n}', more) : '';
  }

  async #save() {
    const [row] = this.#waiting;
    const fields = new FormData(this.#form);
    const text = (name) => String(fields.get(name) ?? '').trim();
    // `required` takes a blank for an answer.
    if (this.#required && !text('outcome') && !text('notes')) return;
    const save = this.#form.elements.namedItem('save');
    save.disabled = true;
    try {
      await this.#actions.save(row.id, { notes: text('notes'), outcome: text('outcome') || null });
      this.#next();
    } finally {
      save.disabled = false;
    }
  }

  #next() {
    this.#waiting.shift();
    delete this.#form.dataset.call;
    this.#draw();
  }

  /** What keeps calls from the application, and those that it has refused. */
  show(state, dead) {
    const words = this.#words;
    const parts = [];
    const button = (name, word, act) => {
      const button = make('button', { type: 'button', name }, word);
      button.addEventListener('click', act);
      return button;
    };
    if (state) {
      parts.push(make('span', { class: 'trouble' }, state === 'sign-in' ? words.signIn : words.unreachable));
      parts.push(make('div', { class: 'row' }, button('retry', words.retry, () => this.#actions.retry())));
    }
    if (dead.length) {
      parts.push(make('span', { class: 'trouble' }, words.refused.replace('{n}', dead.length)));
      parts.push(make('ul', {}, ...dead.map(({ event: { call, state: what }, status, reason }) =>
        make('li', {}, [call.direction === 'inbound' ? call.from : call.to, what, status, reason].filter(Boolean).join(' · ')))));
      parts.push(make('div', { class: 'row' },
        button('again', words.again, () => this.#actions.bury(true)), button('forget', words.forget, () => this.#actions.bury(false))));
    }
    this.#reports.hidden = !parts.length;
    this.#reports.replaceChildren(...parts);
  }
}
