// What an application does with numbers on its own pages.
"use strict";

probe.handled = 0;
addEventListener("DOMContentLoaded", () => {
  // Its own way to call, which an integration takes its place of.
  document.getElementById("claimed").addEventListener("click", event => {
    event.preventDefault();
    probe.handled += 1;
  });
});

// A component that is defined when the page has been there for a while.
probe.define = () => customElements.define("late-card", class extends HTMLElement {
  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const link = document.createElement("a");
    link.href = "tel:+79161234567";
    link.id = "inner";
    link.append("inside");
    const words = document.createElement("p");
    words.id = "inner-words";
    words.append("Phone: 8 916 123-45-67");
    const field = document.createElement("span");
    field.id = "inner-field";
    field.dataset.phone = "8 916 123-45-67";
    field.append("inside");
    root.append(link, words, field);
  }
});
probe.inner = id => document.getElementById("late").shadowRoot.getElementById(id);

// What the phone spends between frames: each callback of an observer or of an idle moment, ms.
probe.spent = [];
const timed = act => (...args) => {
  const start = performance.now();
  try {
    return act(...args);
  } finally {
    probe.spent.push(performance.now() - start);
  }
};
const Observer = window.MutationObserver;
window.MutationObserver = class extends Observer {
  constructor(act) {
    super(timed(act));
  }
};
const idle = window.requestIdleCallback;
window.requestIdleCallback = (act, options) => idle(timed(act), options);

// Adds rows of a table, as an application does that has loaded a list: ten nodes each, one of them a number.
probe.addRows = rows => {
  const table = document.createElement("div");
  table.id = "rows";
  document.querySelector("main").append(table);
  for (let row = 0; row < rows; row++) {
    const line = document.createElement("div");
    for (const [tag, text] of [["span", `Order ${4951234567 + row}`], ["a", "Anna"], ["b", `Call 8 916 ${100 + row % 900}-45-67`], ["i", "2026-11-24 10:15"]]) {
      const node = document.createElement(tag);
      node.append(text);
      if (tag === "a") node.href = `tel:+7916${1000000 + row}`;
      line.append(node);
    }
    line.dataset.row = row;
    const field = document.createElement("span");
    field.dataset.phone = "8 916 123-45-67";
    line.append(field);
    table.append(line);
  }
  return table.querySelectorAll("*").length + rows * 4 + 1;
};

// What the least of that work takes on this machine at this moment, ms: such rows gone through, and their thousand fields
// made buttons, by plain loops and where the phone does not look.
probe.yardstick = () => {
  const rows = document.getElementById("rows").cloneNode(true);
  const aside = document.createElement("div");
  aside.dataset.noPhone = "";
  aside.append(rows);
  for (const field of rows.querySelectorAll("[role]")) field.removeAttribute("role");
  document.body.append(aside);
  const start = performance.now();
  const walk = document.createTreeWalker(rows);
  for (let node = rows; node; node = walk.nextNode()) {
    if (node.nodeType === 1 && node.hasAttribute("data-phone")) {
      for (const [name, value] of [["data-plain", ""], ["role", "button"], ["tabindex", "0"]]) node.setAttribute(name, value);
    }
  }
  const taken = performance.now() - start;
  aside.remove();
  return taken;
};
