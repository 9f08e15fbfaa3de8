// Refreshes marked parts of a page, and formats times in the reader's locale.
"use strict";

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

function ago(date) {
  const seconds = (date - Date.now()) / 1000;
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return relative.format(Math.round(seconds), "second");
}

function writeTimes(top) {
  for (const time of top.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    time.title = date.toLocaleString();
    time.textContent = ago(date);
  }
}

function holdsFocus(part) {
  return part.contains(document.activeElement) && document.activeElement !== document.body;
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.status >= 500 || answer.status === 429) throw new Error(`${answer.status}`);
  if (!answer.ok || answer.redirected) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  let going = false;
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next) continue;
    going = going || !next.hasAttribute("data-over");
    writeTimes(next);
    if (!holdsFocus(part) && next.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(next));
  }
  return going;
}

async function live() {
  let pause = 2000;
  for (;;) {
    await new Promise((done) => setTimeout(done, pause));
    if (document.hidden) continue;
    try {
      if (!(await refresh())) return;
      pause = 2000;
    } catch {
      pause = Math.min(pause * 2, 30000);
    }
  }
}

writeTimes(document);
if (document.querySelector("[data-live]:not([data-over])")) live();
