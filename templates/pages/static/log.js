// Follows a growing log. The server escapes every line.
"use strict";

const log = document.getElementById("log");
const unfold = document.getElementById("unfold");
const badge = document.querySelector("#job-status .status");
let place = log;
for (let depth = Number(log.dataset.depth); depth > 0 && place.lastElementChild; depth -= 1) {
  place = place.lastElementChild;
}

function showStatus(word) {
  if (badge.classList.contains(word)) return;
  badge.className = `status ${word}`;
  badge.textContent = word === "success" ? "passed" : word;
}

function showCells(cells) {
  const part = document.getElementById("cells");
  if (!part || !cells) return;
  const bar = part.querySelector("progress");
  bar.max = cells.total;
  bar.value = cells.cell - 1;
  part.querySelector("progress + span").textContent = `cell ${cells.cell} of ${cells.total}`;
  part.hidden = false;
}

function append(line) {
  if ("start" in line) {
    const section = document.createElement("details");
    const summary = document.createElement("summary");
    section.open = true;
    section.dataset.at = line.at;
    summary.innerHTML = line.html;
    section.append(summary);
    place.append(section);
    place = section;
  } else if ("end" in line) {
    if (place !== log) {
      fold(place, line.at);
      place = place.parentElement;
    }
  } else {
    const row = document.createElement("div");
    row.className = "line";
    row.innerHTML = line.html;
    place.append(row);
    if (place.childElementCount > 20000) place.children[place === log ? 0 : 1].remove();
  }
}

function fold(section, at) {
  section.dataset.ended = "yes";
  section.open = false;
  const seconds = at - Number(section.dataset.at);
  if (seconds > 0) {
    const took = document.createElement("span");
    took.className = "took";
    took.textContent = `${seconds} s`;
    section.querySelector("summary").append(took);
  }
}

async function follow() {
  let pause = 700;
  for (;;) {
    await new Promise((done) => setTimeout(done, pause));
    if (document.hidden) continue;
    let update;
    try {
      const answer = await fetch(`${log.dataset.address}?start=${log.dataset.next}`);
      if (answer.status === 401) return location.reload();
      update = await answer.json();
      pause = update.lines.length ? 700 : Math.min(pause * 1.3, 4000);
    } catch {
      pause = Math.min(pause * 2, 30000);
      continue;
    }
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
    update.lines.forEach(append);
    log.dataset.next = update.next;
    showStatus(update.status);
    showCells(update.cells);
    if (atEnd) log.scrollTop = log.scrollHeight;
    if (update.over) return location.reload();
  }
}

unfold.hidden = !log.querySelector("details") && "over" in log.dataset;
unfold.addEventListener("click", () => {
  const sections = [...log.querySelectorAll("details")];
  const open = sections.some((section) => !section.open);
  sections.forEach((section) => { section.open = open; });
  unfold.textContent = open ? "Fold all" : "Unfold all";
});
if (!location.hash) log.scrollTop = log.scrollHeight;
if (!("over" in log.dataset)) follow();
