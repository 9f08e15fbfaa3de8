// Refreshes marked parts of a page.
"use strict";

function holdsFocus(part) {
  return part.contains(document.activeElement) && document.activeElement !== document.body;
}

// Returns a part's content without what differs each time that it is rendered: the IDs of its forms, and words for times.
function content(part) {
  const copy = part.cloneNode(true);
  for (const id of copy.querySelectorAll("input[name=submission]")) id.remove();
  for (const time of copy.querySelectorAll("time")) time.textContent = "";
  return copy.innerHTML;
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
    if (content(next) === content(part)) writeTimes(part);
    else if (!holdsFocus(part)) part.replaceWith(document.adoptNode(next));
  }
  document.dispatchEvent(new Event("previews"));
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

if (document.querySelector("[data-live]:not([data-over])")) live();
