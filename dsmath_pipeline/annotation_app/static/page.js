// Keys, and swapping the parts of the page that change. Without this script the forms and links work as they are.
"use strict";

const parts = document.body.classList.contains("work") ? ["header", "queue", "tree", "detail"] : ["header", "content"];
const find = (selector, root = document) => root.querySelector(selector);

// Actions run one after the other: a key typed while the last one is on its way acts on what that one has shown.
let line = Promise.resolve();
const enqueue = (action) => {
  line = line.then(action).catch((error) => tell(`Not saved: the server does not answer (${error.message}).`, true));
};

function tell(text, isRefused = false) {
  const message = find("#message");
  message.textContent = text;
  message.classList.toggle("refused", isRefused);
}

async function load(url, options = {}, remember = "replace") {
  const reply = await fetch(url, { ...options, headers: { "X-Fragment": "1", ...options.headers } });
  if (reply.redirected) return location.assign(reply.url);
  const text = await reply.text();
  if (!reply.headers.get("content-type").startsWith("text/html")) return tell(text, true);
  swap(new DOMParser().parseFromString(text, "text/html"));
  const here = find("#tree [data-row][aria-current]");
  if (here && remember === "push" && here.href !== location.href) history.pushState(null, "", here.href);
  else if (here && remember === "replace") history.replaceState(null, "", here.href);
}

function swap(page) {
  const focused = document.activeElement;
  const focusId = focused && focused.id;
  const wasRow = focused && focused.matches("[data-row]");
  const isSameDomain = find("#tree h1")?.textContent === find("#tree h1", page)?.textContent;
  for (const id of parts) {
    const old = document.getElementById(id), fresh = page.getElementById(id);
    if (!old || !fresh) continue;
    const top = old.scrollTop, listTop = find("ol", old)?.scrollTop;
    old.replaceWith(fresh);
    if (id === "queue" || (id === "tree" && isSameDomain)) fresh.scrollTop = top;
    if (id === "queue") find("ol", fresh).scrollTop = listTop;
  }
  document.title = page.title;
  tell(find("#message", page).textContent, find("#message", page).classList.contains("refused"));
  const row = find("#tree [aria-current]"), entry = find("#queue li [aria-current]");
  const target = wasRow ? row : focusId && document.getElementById(focusId);
  if (target) target.focus({ preventScroll: true });
  for (const item of [row, entry]) if (item) reveal(item);
}

// Scrolls only the column or list that an item is in, never the page.
function reveal(item) {
  let box = item.parentElement;
  while (box && box !== document.body && box.scrollHeight <= box.clientHeight) box = box.parentElement;
  if (!box || box === document.body) return;
  const inside = item.getBoundingClientRect(), outside = box.getBoundingClientRect();
  if (inside.top < outside.top + 40) box.scrollTop -= outside.top + 40 - inside.top;
  else if (inside.bottom > outside.bottom - 20) box.scrollTop += inside.bottom - outside.bottom + 20;
}

function send(form, button) {
  const body = new URLSearchParams(new FormData(form));
  if (button && button.name) body.set(button.name, button.value);
  const headers = { "X-CSRF-Token": find('meta[name="csrf"]').content };
  return load(form.getAttribute("action"), { method: "POST", body, headers });
}

function press(element) {
  if (!element) return undefined;
  return element.matches("a") ? load(element.href, {}, "push") : send(element.form, element);
}

function step(selector, by) {
  const all = [...document.querySelectorAll(selector)];
  const at = all.findIndex((item) => item.hasAttribute("aria-current"));
  const next = all[at + by];
  if (!next) return tell(by > 0 ? "This is the last one." : "This is the first one.");
  return load(next.href, {}, selector.includes("queue") ? "push" : "replace");
}

const rows = "#tree [data-row]", domains = "#queue li a";
const moves = {
  j: () => step(rows, 1), ArrowDown: () => step(rows, 1), k: () => step(rows, -1), ArrowUp: () => step(rows, -1),
  J: () => step(domains, 1), "]": () => step(domains, 1), K: () => step(domains, -1), "[": () => step(domains, -1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || find("dialog[open]")) return;
  const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
  if (typing && event.key === "Escape") return event.target.blur();
  if (typing && event.target.id === "note" && event.key === "Enter") {
    event.preventDefault();
    event.target.blur();
    const chosen = find('#label-form [aria-pressed="true"]');
    return chosen ? enqueue(() => press(chosen)) : tell("The note is kept with the label you give next.");
  }
  if (typing || !document.body.classList.contains("work")) return;
  if (event.key === "w" || event.key === "/") {
    event.preventDefault();
    const field = find(event.key === "w" ? "#note" : "#find");
    return enqueue(() => { field.isConnected ? field.focus() : find(`#${field.id}`).focus(); });
  }
  if (event.key === "?") return find("#help").showModal();
  const known = moves[event.key] || (/^[a-z]$/.test(event.key) && (() => press(find(`[data-key="${event.key}"]`))));
  if (!known || (!moves[event.key] && !find(`[data-key="${event.key}"]`))) return;
  event.preventDefault();
  if (!event.repeat || moves[event.key]) enqueue(known);
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-fragment]")) return;
  event.preventDefault();
  enqueue(() => send(event.target, event.submitter));
});

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest("a[data-fragment]") || (event.target.closest("a, button") ? null : find("[data-row]", event.target.closest("#tree tbody tr") || document.createElement("i")));
  if (!link) return;
  event.preventDefault();
  enqueue(() => load(link.href, {}, link.closest("#queue") ? "push" : "replace"));
});

window.addEventListener("popstate", () => enqueue(() => load(location.href, {}, "keep")));
