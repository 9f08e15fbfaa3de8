// Shows the rows of a map: sorted, filtered, a page at a time; and a plot of two columns.
"use strict";

const { columns, records, hidden } = JSON.parse(document.getElementById("data").textContent);
const PAGE = 50;
const MOST_POINTS = 5000;
const LONG = 24; // characters that a column has room for, also in a table of many columns
const OF_THE_RUN = ["attempts", "seconds", "peak_memory"];
const PICTURE = /\.(png|jpe?g|gif|webp|svg)$/i;
const INFINITE = new Map([["inf", Infinity], ["-inf", -Infinity]]); // texts, since JSON lacks such numbers
const filters = document.getElementById("filters");
const body = document.querySelector("tbody");
const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 6, useGrouping: false });
const compact = new Intl.NumberFormat("en", { maximumSignificantDigits: 6, notation: "compact" });
const megabytes = new Intl.NumberFormat("en", { style: "unit", unit: "megabyte", maximumSignificantDigits: 3, useGrouping: false });
// Six digits are enough for a fraction, but another whole number is a wrong one, such as of a date or an ID.
const numberText = (value) =>
  Number.isInteger(value) || Math.abs(value) >= 1e5 ? String(value) : numbers.format(value);
const numberOf = (value, column) =>
  columns[column] === "peak_memory" ? megabytes.format(value / 1e6) : numberText(value);
const tick = (value) => (Math.abs(value) < 1e5 ? numbers : compact).format(value);
let order = { column: 0, down: false };
let page = 0;

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const textOf = (value) =>
  value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const fieldsOf = (value) =>
  Object.entries(value)
    .map(([name, one]) => `${name}: ${typeof one === "number" ? numberText(one) : textOf(one)}`)
    .join("\n");
const compare = (a, b) => {
  if (a === null || b === null) return (a === null) - (b === null);
  const [one, other] = [a, b].map((value) => INFINITE.get(value) ?? value);
  if (typeof one === "number" && typeof other === "number") return one === other ? 0 : one - other;
  return textOf(a).localeCompare(textOf(b), "en", { numeric: true });
};
const address = (path) => path.split("/").map(encodeURIComponent).join("/");

function link(path) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (!PICTURE.test(path)) return element("a", { href: address(path) }, name);
  return element("a", { href: address(path) }, element("img", { src: address(path), alt: name, loading: "lazy" }));
}

// Files of a row are below its folder; any other text could be an address that a notebook chose.
function areFiles(values, record) {
  const start = `${record[columns.indexOf("folder")]}/`;
  const isFile = (value) =>
    typeof value === "string" && value.startsWith(start) && !value.split("/").includes("..");
  return values.length > 0 && values.every(isFile);
}

function cell(value, column, record) {
  if (value === null) return element("td");
  const files = (Array.isArray(value) ? value : [value]).filter(Boolean);
  if (areFiles(files, record)) return element("td", {}, ...files.map(link));
  if (columns[column] === "state") return element("td", { className: value }, value);
  if (typeof value === "number") return element("td", { className: "number" }, numberOf(value, column));
  const text = (isObject(value) ? fieldsOf(value) : textOf(value)).slice(0, 500);
  return element("td", { className: text.split("\n").some((line) => line.length > LONG) ? "long" : "" }, text);
}

function chosen() {
  const text = filters.elements.text.value.toLowerCase();
  const state = filters.elements.state.value;
  const column = columns.indexOf("state");
  const found = records.filter(
    (record) =>
      (!state || record[column] === state) &&
      (!text || record.some((value) => textOf(value).toLowerCase().includes(text))),
  );
  const sign = order.down ? -1 : 1;
  return found.sort((a, b) => {
    const [one, other] = [a[order.column], b[order.column]];
    return one === null || other === null ? compare(one, other) : sign * compare(one, other);
  });
}

function show() {
  const found = chosen();
  const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
  page = Math.min(page, last);
  const shown = found.slice(page * PAGE, (page + 1) * PAGE);
  body.replaceChildren(...shown.map((record) => element("tr", {}, ...record.map((value, column) => cell(value, column, record)))));
  filters.querySelector("output").value = `${found.length} of ${records.length} rows`;
  const turn = (text, to) => {
    const button = element("button", { type: "button", disabled: to < 0 || to > last }, text);
    button.addEventListener("click", () => { page = to; show(); });
    return button;
  };
  const pages = [turn("Previous", page - 1), element("span", {}, `page ${page + 1} of ${last + 1}`), turn("Next", page + 1)];
  document.querySelector("nav.pages").replaceChildren(...(last ? pages : []));
  document.querySelectorAll("th").forEach((head, index) => {
    if (index === order.column) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

function addHeads() {
  document.querySelector("thead tr").append(
    ...columns.map((name, column) => {
      const button = element("button", { type: "button" }, name);
      button.addEventListener("click", () => {
        order = { column, down: order.column === column && !order.down };
        show();
      });
      return element("th", { scope: "col" }, button);
    }),
  );
}

function ticks(from, to) {
  const rough = (to - from) / 5 || Math.abs(from) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, index) => (first + index) * step);
}

// Short texts of ticks; with all digits if two of them were the same.
function labels(values) {
  const texts = values.map(tick);
  return new Set(texts).size === texts.length ? texts : values.map((value) => String(Number(value.toPrecision(12))));
}

// Numbers to plot: of columns, and of the fields of objects in them.
function series() {
  const found = columns.flatMap((name, column) => {
    const fields = new Set(records.flatMap((record) => (isObject(record[column]) ? Object.keys(record[column]) : [])));
    const whole = { name, column, of: (record) => record[column] };
    const parts = [...fields].slice(0, PAGE).map((field) => (
      { name: `${name}.${field}`, column, of: (record) => (isObject(record[column]) ? record[column][field] ?? null : null) }
    ));
    return name === "cell" ? [] : [whole, ...parts];
  });
  return found.filter(({ of }) => {
    const values = records.map(of).filter((value) => value !== null && value !== "nan" && !INFINITE.has(value));
    return values.length > 1 && values.every((value) => typeof value === "number");
  });
}

function plot(x, y, picture) {
  const points = records
    .map((record) => ({ row: record[0], x: x.of(record), y: y.of(record) }))
    .filter((point) => typeof point.x === "number" && typeof point.y === "number")
    .slice(0, MOST_POINTS);
  const range = (values) => {
    const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
    return low === high ? [low - 1, high + 1] : [low, high];
  };
  const draw = (name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  picture.setAttribute("aria-label", `${y.name} against ${x.name}, ${points.length} points`);
  picture.replaceChildren();
  if (!points.length) return;
  const [left, right] = range(points.map((point) => point.x));
  const [low, high] = range(points.map((point) => point.y));
  const across = (value) => 70 + (630 * (value - left)) / (right - left);
  const up = (value) => 320 - (300 * (value - low)) / (high - low);
  const [along, upwards] = [ticks(left, right), ticks(low, high)];
  const [alongLabels, upwardsLabels] = [labels(along), labels(upwards)];
  for (const [index, value] of along.entries()) {
    picture.append(draw("line", { x1: across(value), x2: across(value), y1: 20, y2: 320 }));
    picture.append(draw("text", { x: across(value), y: 336, "text-anchor": "middle" }, alongLabels[index]));
  }
  for (const [index, value] of upwards.entries()) {
    picture.append(draw("line", { x1: 70, x2: 700, y1: up(value), y2: up(value) }));
    picture.append(draw("text", { x: 64, y: up(value) + 4, "text-anchor": "end" }, upwardsLabels[index]));
  }
  for (const point of points) {
    const dot = draw("circle", { cx: across(point.x), cy: up(point.y), r: 3 });
    dot.append(draw("title", {}, `row ${point.row}: ${numberOf(point.x, x.column)}, ${numberOf(point.y, y.column)}`));
    picture.append(dot);
  }
  picture.append(draw("text", { x: 385, y: 354, "text-anchor": "middle" }, x.name));
  picture.append(draw("text", { x: 8, y: 14 }, y.name));
}

function addPlot() {
  const found = series();
  if (found.length < 2) return;
  const section = document.getElementById("plot");
  const form = section.querySelector("form");
  for (const name of ["x", "y"]) {
    form.elements[name].append(...found.map((one, index) => element("option", { value: index }, one.name)));
  }
  const state = columns.indexOf("state");
  const input = found.findIndex(({ column }) => column > 0 && column < state);
  const result = found.findIndex(({ column, name }) => column > state && !OF_THE_RUN.includes(name));
  form.elements.x.value = Math.max(input, 0);
  form.elements.y.value = result < 0 ? found.length - 1 : result;
  const redraw = () => plot(found[form.elements.x.value], found[form.elements.y.value], section.querySelector("svg"));
  form.addEventListener("change", redraw);
  form.addEventListener("submit", (event) => event.preventDefault());
  section.hidden = false;
  redraw();
}

filters.elements.state.append(
  ...[...new Set(records.map((record) => record[columns.indexOf("state")]))].map((state) => element("option", {}, state)),
);
filters.addEventListener("input", () => { page = 0; show(); });
filters.addEventListener("submit", (event) => event.preventDefault());
filters.hidden = false;
document.getElementById("hidden").hidden = !hidden;
addHeads();
addPlot();
show();
