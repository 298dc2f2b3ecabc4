// Keeps the table of calls up to date while somebody looks at it: one question a second, and rows made of nodes.

const EVERY_MS = 1000;
const table = document.querySelector('#cards');

function link(href, text) {
  const a = document.createElement('a');
  a.href = href;
  a.textContent = text;
  return a;
}

function fill(row, card) {
  const cells = [
    link(`/crm/calls/${card.id}`, card.startedAt.slice(0, 19).replace('T', ' ')),
    card.direction,
    link(`tel:${card.number.replace(/[^\d+]/g, '')}`, card.number),
    card.name === null ? '' : link(`/crm/contacts/${card.contact}`, card.name),
    card.state,
    `${card.talkSeconds} s`,
  ];
  row.dataset.card = card.id;
  row.replaceChildren(...cells.map((content) => {
    const cell = document.createElement('td');
    cell.append(content);
    return cell;
  }));
}

async function update() {
  const { version, contact } = table.dataset;
  const query = new URLSearchParams({ since: version, ...(contact ? { contact } : {}) });
  const answer = await fetch(`/crm/changes?${query}`);
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  for (const card of (await answer.json()).cards) {
    const row = table.tBodies[0].querySelector(`[data-card="${card.id}"]`) ?? table.tBodies[0].insertRow(0);
    fill(row, card);
    table.dataset.version = card.version;
  }
}

async function watch() {
  for (;;) {
    await new Promise((resolve) => { setTimeout(resolve, EVERY_MS); });
    // A tab that nobody sees asks nothing; a server that is away is asked again.
    if (document.visibilityState === 'visible') await update().catch(() => {});
  }
}

if (table) watch();
