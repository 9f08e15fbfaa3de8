// Shows results when they come into view: Parquet files, GeoJSON and GeoTIFF, and what a server says of arrays.
// A worker reads them and is ended if it takes too long. Texts of files become text nodes.
"use strict";

const parts = document.getElementById("previews").dataset;
const patience = 20000;
const largest = { parquet: 50e6, geojson: 20e6, geotiff: 100e6, arrays: Infinity };
const longestText = 200;
const svgNames = "http://www.w3.org/2000/svg";

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text.length > longestText ? `${text.slice(0, longestText)}…` : text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function quiet(text) {
  return element("p", text, { class: "quiet-text" });
}

function tableOf(columns, rows, name) {
  const region = element("div", undefined, { class: "scrolled", tabindex: "0", role: "region", "aria-label": `Table ${name}` });
  const table = region.appendChild(element("table", undefined, { class: "data" }));
  const header = table.appendChild(element("thead")).appendChild(element("tr"));
  for (const column of columns) header.append(element("th", column, { scope: "col" }));
  const body = table.appendChild(element("tbody"));
  for (const row of rows) body.appendChild(element("tr")).append(...row.map((text) => element("td", text)));
  return region;
}

// Reads a file in a worker; the promise rejects with a sentence for the page.
function read(place) {
  const { preview: kind, address, size } = place.dataset;
  return new Promise((resolve, reject) => {
    const worker = new Worker(parts.worker, { type: "module" });
    const end = (act, value) => {
      clearTimeout(timer);
      worker.terminate();
      act(value);
    };
    const timer = setTimeout(() => end(reject, "reading it takes too long"), patience);
    worker.onmessage = ({ data }) => ("reason" in data ? end(reject, data.reason) : end(resolve, data.result));
    worker.onerror = () => end(reject, "the browser cannot read it");
    const [url, reader] = [address, parts[kind] || ""].map((one) => new URL(one, location.href).href);
    worker.postMessage({ kind, url, size: Number(size), ranges: "ranges" in place.dataset, reader });
  });
}

const shows = {
  async parquet(place) {
    const { columns, rows, total, isMore } = await read(place);
    const note = `The first of ${total.toLocaleString("en")} rows.`;
    return [tableOf(columns, rows, place.dataset.name), ...(isMore ? [quiet(note)] : [])];
  },

  async geojson(place) {
    const { shapes, bounds, columns, rows, isMore, left, total } = await read(place);
    const shown = [await mapOf(shapes, bounds, place.dataset.name)];
    if (left > 0) shown.push(quiet(`The map shows the first ${(total - left).toLocaleString("en")} of ${total.toLocaleString("en")} features.`));
    if (rows.length) shown.push(tableOf(columns, rows, `${place.dataset.name}, properties`));
    if (rows.length && isMore) shown.push(quiet(`The properties of the first of ${total.toLocaleString("en")} features.`));
    return shown;
  },

  async geotiff(place) {
    const { pixels, width, height, corners, ...rest } = await read(place);
    const canvas = element("canvas", undefined, { width, height, role: "img", "aria-label": `Picture of ${place.dataset.name}` });
    canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
    const words = [`${rest.across} × ${rest.down} pixels`, `${rest.samples} ${rest.samples === 1 ? "band" : "bands"}`, rest.system];
    const shown = [canvas, ...(rest.low === null || rest.low === undefined ? [] : [legend(rest)]), quiet(words.filter(Boolean).join(", "))];
    const picture = element("div");
    picture.append(...shown);
    const pair = element("div", undefined, { class: "pair" });
    pair.append(picture, ...(corners ? [await mapOf([{ kind: "areas", lines: [corners] }], boundsOf(corners), place.dataset.name)] : await placeOnServer(place)));
    return [pair];
  },

  async arrays(place) {
    const found = await described(place);
    const shown = [];
    if (found.dimensions.length) shown.push(tableOf(["Dimension", "From", "To", "Unit"], found.dimensions, `${place.dataset.name}, dimensions`));
    if (found.variables.length) shown.push(tableOf(["Variable", "Dimensions", "Type", "Unit", "Description"], found.variables, `${place.dataset.name}, variables`));
    if (found.time) shown.push(quiet(`Time: ${found.time}`));
    if (found.corners) shown.push(await mapOf([{ kind: "areas", lines: [found.corners] }], boundsOf(found.corners), place.dataset.name));
    if (found.remark) shown.push(quiet(`Note: ${found.remark}.`));
    return shown.length ? shown : [quiet(`${place.dataset.name} is not shown: it has no variables that can be read.`)];
  },
};

async function described(place) {
  const answer = await fetch(place.dataset.description);
  if (!answer.ok) throw "it cannot be fetched; reload the page";
  const found = await answer.json();
  if (found.reason) throw found.reason;
  return found;
}

// The place of a raster whose reference system the browser does not know.
async function placeOnServer(place) {
  if (!place.dataset.description) return [];
  const found = await described(place).catch(() => ({}));
  return found.corners ? [await mapOf([{ kind: "areas", lines: [found.corners] }], boundsOf(found.corners), place.dataset.name)] : [];
}

function legend({ low, high }) {
  const line = element("p", undefined, { class: "legend quiet-text" });
  const digits = (value) => (Math.abs(value) >= 1e4 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 });
  const written = (value) => value.toLocaleString("en", digits(value));
  line.append(element("span", written(low)), element("span", undefined, { class: "ramp", role: "presentation" }), element("span", written(high)));
  return line;
}

function boundsOf(line) {
  const [xs, ys] = [line.filter((_, index) => index % 2 === 0), line.filter((_, index) => index % 2 === 1)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

// A map: longitude and latitude, stretched to the right shape in its middle, with land, a graticule and a scale.
let [mapWidth, mapHeight] = [640, 360];
let landRings;

function land() {
  landRings ??= fetch(parts.land).then((answer) => answer.json()).then((rings) => rings.map(unpacked));
  return landRings;
}

function unpacked(ring) {
  let [x, y] = [0, 0];
  const line = [];
  for (let index = 0; index < ring.length; index += 2) {
    x += ring[index];
    y += ring[index + 1];
    line.push(x / 10, y / 10);
  }
  return line;
}

function svg(tag, attributes = {}, text = "") {
  const made = document.createElementNS(svgNames, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

function frameOf([west, south, east, north]) {
  const middle = Math.max(-85, Math.min(85, (south + north) / 2));
  const squeeze = Math.cos((middle * Math.PI) / 180);
  const [wide, high] = [Math.max(east - west, 0.004) * 1.25, Math.max(north - south, 0.004) * 1.25];
  const scale = Math.min(mapWidth / (wide * squeeze), mapHeight / high);
  const [left, top] = [(west + east) / 2 - mapWidth / squeeze / scale / 2, (south + north) / 2 + mapHeight / scale / 2];
  const [right, bottom] = [left + mapWidth / squeeze / scale, top - mapHeight / scale];
  const x = (longitude) => (longitude - left) * squeeze * scale;
  const y = (latitude) => (top - latitude) * scale;
  return { x, y, left, right, top, bottom, squeeze, scale };
}

function path(line, { x, y }, isClosed) {
  let text = "";
  for (let index = 0; index < line.length; index += 2) text += `${index ? "L" : "M"}${x(line[index]).toFixed(1)} ${y(line[index + 1]).toFixed(1)}`;
  return isClosed ? `${text}Z` : text;
}

async function mapOf(shapes, bounds, name) {
  const rings = await land().catch(() => []);
  [mapWidth, mapHeight] = document.documentElement.clientWidth < 560 ? [360, 300] : [640, 360];
  const frame = frameOf(bounds);
  const label = `Map of ${name}: ${degrees(bounds[0], "E", "W")} to ${degrees(bounds[2], "E", "W")}, ${degrees(bounds[1], "N", "S")} to ${degrees(bounds[3], "N", "S")}`;
  const map = svg("svg", { class: "map", viewBox: `0 0 ${mapWidth} ${mapHeight}`, role: "img", "aria-label": label });
  const isWide = frame.right - frame.left > 3;
  if (isWide) map.append(svg("path", { class: "land", d: rings.map((ring) => path(ring, frame, true)).join("") }));
  map.append(...graticule(frame));
  for (const shape of shapes) map.append(drawn(shape, frame));
  map.append(...scaleBar(frame));
  if (!isWide && rings.length) map.append(locator(rings, bounds));
  return map;
}

function drawn({ kind, lines }, frame) {
  if (kind === "points") {
    const group = svg("g", { class: "points" });
    for (let index = 0; index < lines[0].length; index += 2) group.append(svg("circle", { r: 4, cx: frame.x(lines[0][index]).toFixed(1), cy: frame.y(lines[0][index + 1]).toFixed(1) }));
    return group;
  }
  return svg("path", { class: kind, d: lines.map((line) => path(line, frame, kind === "areas")).join("") });
}

function degrees(value, positive, negative) {
  return `${Math.abs(Number(value.toFixed(4)))}° ${value < 0 ? negative : positive}`;
}

function graticule(frame) {
  const step = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005].find((one) => (frame.top - frame.bottom) / one >= 2.5) || 0.0005;
  const made = [];
  const every = Math.ceil(70 / (step * frame.squeeze * frame.scale));
  for (let at = Math.ceil(frame.left / step); at * step < frame.right; at += 1) {
    const x = frame.x(at * step).toFixed(1);
    made.push(svg("path", { class: "graticule", d: `M${x} 0V${mapHeight}` }));
    if (at % every === 0 && x > 20 && x < mapWidth - 60) made.push(svg("text", { x: Number(x) + 4, y: 14 }, degrees(at * step, "E", "W")));
  }
  for (let at = Math.ceil(frame.bottom / step); at * step < frame.top; at += 1) {
    const y = frame.y(at * step).toFixed(1);
    if (Math.abs(at * step) > 90) continue;
    made.push(svg("path", { class: "graticule", d: `M0 ${y}H${mapWidth}` }));
    if (y > 34 && y < mapHeight - 40) made.push(svg("text", { x: 4, y: Number(y) - 4 }, degrees(at * step, "N", "S")));
  }
  return made;
}

function scaleBar(frame) {
  const kilometers = 111.32 / frame.scale;
  const most = 160 * kilometers;
  const power = 10 ** Math.floor(Math.log10(most));
  const long = [5, 2, 1].map((one) => one * power).find((one) => one <= most);
  const width = long / kilometers;
  const text = long >= 1 ? `${long} km` : `${Math.round(long * 1000)} m`;
  const [right, y] = [mapWidth - 12, mapHeight - 12];
  return [
    svg("path", { class: "scale", d: `M${right - width} ${y - 5}V${y}H${right}V${y - 5}` }),
    svg("text", { x: right, y: y - 9, "text-anchor": "end" }, text),
  ];
}

// Where on the Earth a map of a small place is.
function locator(rings, [west, south, east, north]) {
  const [width, height] = [mapWidth / 4, mapWidth / 8];
  const frame = { x: (longitude) => ((longitude + 180) * width) / 360, y: (latitude) => ((90 - latitude) * height) / 180 };
  const inset = svg("svg", { class: "locator", x: 8, y: mapHeight - height - 8, width, height });
  inset.append(svg("rect", { width, height }), svg("path", { class: "land", d: rings.map((ring) => path(ring, frame, true)).join("") }));
  inset.append(svg("circle", { r: 4, cx: frame.x((west + east) / 2), cy: frame.y((south + north) / 2) }));
  return inset;
}

async function show(place) {
  const { preview: kind, name, size } = place.dataset;
  place.setAttribute("aria-busy", "true");
  try {
    if (Number(size) > largest[kind]) throw `it is too large (${Math.round(Number(size) / 1e6)} MB); download it`;
    place.replaceChildren(...(await shows[kind](place)));
  } catch (reason) {
    if (typeof reason !== "string") console.warn(`${place.dataset.address}: ${reason}`);
    const why = typeof reason === "string" ? reason : "it is damaged, or of a kind that cannot be read";
    place.replaceChildren(quiet(`${name} is not shown: ${why}.`), ...place.querySelectorAll("a"));
  }
  place.removeAttribute("aria-busy");
}

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    show(target);
  }
}, { rootMargin: "300px" });

function watchPreviews() {
  for (const place of document.querySelectorAll("[data-preview]:not([data-seen])")) {
    place.dataset.seen = "";
    seen.observe(place);
  }
}

watchPreviews();
document.addEventListener("previews", watchPreviews);
