// Keeps `[data-live]` parts of a page up to date: fetches the page again and
// changes only what differs. The server alone knows how things look, and
// focus, selection and a playing video stay as they are.

import { tellTimes } from "./words.js";

/** Makes `old` like `fresh`, node by node. Nodes with an id are found again wherever they went. */
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeName === "DIALOG" && old.open) return;
  if (old.nodeName === "TIME" && old.dateTime === fresh.dateTime) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const byId = new Map([...old.children].filter((c) => c.id).map((c) => [c.id, c]));
  const stays = new Set([...fresh.children].map((c) => c.id));
  let next = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    // What has gone is taken out first: moving the rest up instead would take the focus off it.
    while (next?.id && !stays.has(next.id)) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
    const known = wanted.id ? byId.get(wanted.id) : null;
    if (known) {
      if (known === next) next = next.nextSibling;
      else old.insertBefore(known, next);
      morph(known, wanted);
    } else if (next && !next.id && !wanted.id) {
      const here = next;
      next = next.nextSibling;
      morph(here, wanted);
    } else {
      old.insertBefore(wanted, next);
    }
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

let running = null;
let again = false;

/** Fetches this page again and takes over what changed. Calls that come while one runs make one more. */
export function refresh() {
  again = running !== null;
  running ??= once().finally(() => {
    running = null;
    if (again) refresh();
  });
  return running;
}

async function once() {
  let answer;
  try {
    answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
  } catch {
    return; // Offline, or the server restarts: the next refresh tries again.
  }
  const there = new URL(answer.url);
  if (there.pathname === "/sign-in") {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
    return;
  }
  if (answer.status === 404 || answer.status === 410) {
    location.assign("/");
    return;
  }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (fresh) morph(old, document.adoptNode(fresh));
  }
  tellTimes();
  document.dispatchEvent(new Event("refreshed"));
}

/** Refreshes every `ms` for as long as the page is seen and `wanted` says so, and at once when it is seen again. */
export function keepFresh(ms, wanted = () => true) {
  const tick = () => {
    if (!document.hidden && wanted()) refresh();
  };
  setInterval(tick, ms);
  document.addEventListener("visibilitychange", tick);
  // Whoever comes back by the browser's button may be shown the page as it was left.
  addEventListener("pageshow", (event) => {
    if (event.persisted) refresh();
  });
}
