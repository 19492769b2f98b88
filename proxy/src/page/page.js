// Keeps the page fresh: fetches it again and puts what has changed in the place of what was there, so that nothing
// flickers, scrolls away or is unchosen. Without it the page reloads itself.
"use strict";

const every = Number(document.body.dataset.refresh) * 1000;
const stale = document.getElementById("stale");
let fresh = Date.now();

// What of the page is the user's: chosen servers, and what is unfolded.
function kept(part) {
  const row = (element) => element.closest("tr").querySelector("th").textContent;
  const rows = (selector) => new Set([...part.querySelectorAll(selector)].map(row));
  return { chosen: rows("input[name=s]:checked"), open: rows("details[open]") };
}

function keep(part, { chosen, open }) {
  for (const row of part.querySelectorAll("tr")) {
    const name = row.querySelector("th")?.textContent;
    const box = row.querySelector("input[name=s]");
    const details = row.querySelector("details");
    if (box) box.checked = chosen.has(name);
    if (details) details.open = open.has(name);
  }
}

// Changes what differs and nothing else: an element that somebody is about to click stays the same one.
function renew(old, now) {
  if (old.isEqualNode(now)) return;
  const fresh = [...now.childNodes];
  const alike = old.nodeName === now.nodeName && fresh.length > 0 && fresh.length === old.childNodes.length;
  if (!alike) return old.replaceWith(now);
  for (const { name, value } of now.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  [...old.childNodes].forEach((child, at) => renew(child, fresh[at]));
}

function replace(page) {
  const parts = [...document.querySelectorAll(".live")].map((part) => [part, page.getElementById(part.id)]);
  const same = parts.length === page.querySelectorAll(".live").length && parts.every(([, now]) => now);
  // Another configuration is another page.
  if (!same) return location.reload();
  for (const [part, now] of parts) {
    const was = kept(part);
    renew(part, now);
    keep(document.getElementById(part.id), was);
  }
}

async function look() {
  if (document.hidden) return;
  try {
    const here = location.origin + location.pathname + location.search;
    const answer = await fetch(here.replace(/;st=\w+/, ""), {
      cache: "no-store",
      signal: AbortSignal.timeout(Math.max(every, 5000)),
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    fresh = Date.now();
    stale.hidden = true;
  } catch (error) {
    const seconds = Math.round((Date.now() - fresh) / 1000);
    stale.textContent = `What you see is ${seconds} seconds old: the page cannot be fetched (${error.message}).`;
    stale.hidden = false;
  }
}

async function watch() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, every));
    await look();
  }
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && every > 0 && Date.now() - fresh > every) look();
});
if (every > 0) watch();
