// Follows runs by server-sent events, and refreshes lists.
"use strict";

function speak(text) {
  const region = document.getElementById("spoken");
  if (region && region.textContent !== text) region.textContent = text;
}

// Replaces an element by the same element of the page as it is now.
async function refresh(id) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.status >= 500 || answer.status === 429) throw new Error(`${answer.status}`);
  if (!answer.ok || answer.redirected) return location.reload();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [part, next] = [document.getElementById(id), fresh.getElementById(id)];
  if (!part || !next) return;
  writeTimes(next);
  if (next.innerHTML === part.innerHTML) return;
  const hadFocus = part.contains(document.activeElement);
  if (hadFocus && part.hasAttribute("data-live")) return;
  document.title = fresh.title;
  part.replaceWith(document.adoptNode(next));
  if (hadFocus) document.getElementById("content").focus();
}

function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

async function keepFresh(id) {
  for (let wait = 3000; ;) {
    await pause(wait);
    if (document.hidden) continue;
    try {
      await refresh(id);
      wait = 3000;
    } catch {
      wait = Math.min(wait * 2, 30000);
    }
  }
}

function showProgress(run, place) {
  const bar = document.getElementById("progress");
  const text = document.getElementById("progress-text");
  if (!bar || !text || !run.cells) return;
  bar.max = run.cells;
  bar.value = Math.max(0, run.cell - 1);
  text.textContent = `Cell ${run.cell} of ${run.cells}`;
  if (Date.now() - place.spoken > 10000) {
    place.spoken = Date.now();
    speak(text.textContent);
  }
}

function follow(part) {
  const events = new EventSource(part.dataset.events);
  const place = { spoken: Date.now(), state: "" };
  const take = (event) => {
    const run = JSON.parse(event.data);
    showProgress(run, place);
    if (run.state === place.state) return;
    const isFirst = place.state === "";
    place.state = run.state;
    const ended = !["queued", "running"].includes(run.state);
    if (ended) events.close();
    if (isFirst && !ended) return;
    speak(`The run is ${run.state}.`.replace("is succeeded", "has succeeded").replace("is failed", "has failed"));
    refreshUntilItWorks(part.id).then(() => document.dispatchEvent(new Event("previews")));
  };
  for (const kind of ["state", "started", "cell", "ended"]) events.addEventListener(kind, take);
}

async function refreshUntilItWorks(id) {
  for (;;) {
    try {
      return await refresh(id);
    } catch {
      await pause(3000);
    }
  }
}

// A second click on a button must not start a second run.
function sendOnce(form) {
  const buttons = [...form.querySelectorAll("button")];
  const set = (disabled) => buttons.forEach((button) => { button.disabled = disabled; });
  form.addEventListener("submit", () => setTimeout(() => set(true)));
  addEventListener("pageshow", () => set(false));
}

// Enter in a field of the schedule must not start a run, as the form's first button would.
function sendSchedule(part) {
  part.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    part.querySelector("button").click();
  });
}

for (const part of document.querySelectorAll("details.schedule")) sendSchedule(part);
for (const input of document.querySelectorAll("input[data-zone]")) {
  input.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}
const run = document.querySelector("[data-events]:not([data-over])");
if (run) follow(run);
for (const part of document.querySelectorAll("[data-live]")) keepFresh(part.id);
for (const form of document.querySelectorAll("form[data-once]")) sendOnce(form);
