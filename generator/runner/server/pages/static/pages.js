// Follows runs by server-sent events, refreshes lists, and shows Parquet files.
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
    refreshUntilItWorks(part.id).then(showParquetFiles);
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

// Shows the first rows of Parquet files as tables; a file that cannot be read stays a link.
const rowsShown = 50, columnsShown = 20, charactersShown = 200, bytesRead = 20e6;

async function showParquet(place) {
  const { asyncBufferFromUrl, compressors, parquetMetadataAsync, parquetReadObjects } = await import(place.dataset.reader);
  const file = await asyncBufferFromUrl({ url: place.dataset.parquet, byteLength: Number(place.dataset.size) });
  const metadata = await parquetMetadataAsync(file);
  const groups = metadata.row_groups;
  const chunks = groups.length ? groups[0].columns : [];
  const names = [...new Set(chunks.map((chunk) => chunk.meta_data.path_in_schema[0]))];
  const columns = names.slice(0, columnsShown);
  const isShown = (chunk) => columns.includes(chunk.meta_data.path_in_schema[0]);
  const bytes = chunks.filter(isShown).reduce((sum, chunk) => sum + Number(chunk.meta_data.total_uncompressed_size), 0);
  if (!columns.length || bytes > bytesRead) return;
  const rowEnd = Math.min(rowsShown, Number(groups[0].num_rows));
  const rows = await parquetReadObjects({ file, metadata, columns, rowEnd, compressors });
  const isMore = names.length > columns.length || Number(metadata.num_rows) > rowEnd;
  place.replaceWith(...tableOf(columns, rows, place.dataset.name, isMore));
}

function textOf(value) {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString().replace("T00:00:00.000Z", "");
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value !== "object") return String(value);
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? Number(item) : item));
}

function tableOf(columns, rows, name, isMore) {
  const add = (parent, tag, text) => {
    const child = parent.appendChild(document.createElement(tag));
    if (text !== undefined) child.textContent = text.length > charactersShown ? `${text.slice(0, charactersShown)}…` : text;
    return child;
  };
  const region = document.createElement("div");
  region.className = "scrolled";
  region.tabIndex = 0;
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", `Table ${name}`);
  const table = add(region, "table");
  table.className = "data";
  const header = add(add(table, "thead"), "tr");
  for (const column of columns) add(header, "th", column).scope = "col";
  const body = add(table, "tbody");
  for (const row of rows) {
    const line = add(body, "tr");
    for (const column of columns) add(line, "td", textOf(row[column]));
  }
  const note = document.createElement("p");
  note.className = "quiet-text";
  note.textContent = "This is the beginning of a larger table.";
  return isMore ? [region, note] : [region];
}

function showParquetFiles() {
  for (const place of document.querySelectorAll("[data-parquet]")) {
    showParquet(place).catch((error) => console.warn(`${place.dataset.parquet}: ${error}`));
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

showParquetFiles();
for (const part of document.querySelectorAll("details.schedule")) sendSchedule(part);
for (const input of document.querySelectorAll("input[data-zone]")) {
  input.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}
const run = document.querySelector("[data-events]:not([data-over])");
if (run) follow(run);
for (const part of document.querySelectorAll("[data-live]")) keepFresh(part.id);
for (const form of document.querySelectorAll("form[data-once]")) sendOnce(form);
