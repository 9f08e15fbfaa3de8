// Reads one result for its preview, in a thread that the page ends if it takes too long: the file may be anything.
const rowsShown = 50, columnsShown = 20, bytesRead = 20e6;
const mostFeatures = 2000, mostPoints = 50000, mostProperties = 8;
const pictureWidth = 720, mostPixels = 40e6;

class NotShown extends Error {}

async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new NotShown("it cannot be fetched; reload the page");
  return answer.arrayBuffer();
}

async function readParquet({ url, size, ranges, reader }) {
  const { asyncBufferFromUrl, compressors, parquetMetadataAsync, parquetReadObjects } = await import(reader);
  const file = ranges ? await asyncBufferFromUrl({ url, byteLength: size }) : await fetched(url);
  const metadata = await parquetMetadataAsync(file);
  const groups = metadata.row_groups;
  const chunks = groups.length ? groups[0].columns : [];
  const names = [...new Set(chunks.map((chunk) => chunk.meta_data.path_in_schema[0]))];
  const columns = names.slice(0, columnsShown);
  const isShown = (chunk) => columns.includes(chunk.meta_data.path_in_schema[0]);
  const bytes = chunks.filter(isShown).reduce((sum, chunk) => sum + Number(chunk.meta_data.total_uncompressed_size), 0);
  if (!columns.length) throw new NotShown("it has no rows");
  if (bytes > bytesRead) throw new NotShown("its first group of rows is too large");
  const rowEnd = Math.min(rowsShown, Number(groups[0].num_rows));
  const found = await parquetReadObjects({ file, metadata, columns, rowEnd, compressors });
  const rows = found.map((row) => columns.map((column) => textOf(row[column])));
  return { columns, rows, total: Number(metadata.num_rows), isMore: names.length > columns.length || Number(metadata.num_rows) > rowEnd };
}

function textOf(value) {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString().replace("T00:00:00.000Z", "");
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value !== "object") return String(value);
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? exact(item) : item));
}

// A whole number as JSON can have it: those that a number of JavaScript would round are texts.
function exact(whole) {
  return Number.isSafeInteger(Number(whole)) ? Number(whole) : String(whole);
}

// GeoJSON (RFC 7946): what is drawn of it, and the properties of its first features as a table.
async function readGeoJson({ url }) {
  let found;
  try {
    found = parsed(new TextDecoder().decode(await fetched(url)));
  } catch (error) {
    throw error instanceof NotShown ? error : new NotShown("it is not valid JSON");
  }
  const features = found && found.type === "FeatureCollection" ? found.features : [found];
  if (!Array.isArray(features)) throw new NotShown("it is not valid GeoJSON");
  const drawn = new Shapes();
  const shown = features.slice(0, mostFeatures);
  for (const feature of shown) drawn.add(feature && feature.type === "Feature" ? feature.geometry : feature);
  const { columns, rows } = propertiesOf(shown.slice(0, rowsShown));
  const isMore = features.length > rows.length;
  return { shapes: drawn.shapes, bounds: drawn.bounds(), columns, rows, isMore, left: features.length - drawn.taken, total: features.length };
}

// JSON whose whole numbers keep their digits where the browser tells them (context.source); asked for only if there are long ones.
function parsed(text) {
  const isRounded = (value, source) => typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source);
  const keep = (_, value, context) => (isRounded(value, context?.source) ? context.source : value);
  return JSON.parse(text, /[:,[\s]-?\d{16,}[\s,\]}]/.test(text) ? keep : undefined);
}

class Shapes {
  shapes = [];
  taken = 0;
  left = mostPoints;
  west = Infinity; south = Infinity; east = -Infinity; north = -Infinity;

  add(geometry) {
    if (this.left <= 0) return;
    this.taken += 1;
    if (!geometry) return;
    if (geometry.type === "GeometryCollection") {
      for (const part of (geometry.geometries || []).slice(0, 100)) if (part.type !== "GeometryCollection") this.put(part);
    } else this.put(geometry);
  }

  put({ type, coordinates }) {
    const depth = { Point: 0, MultiPoint: 1, LineString: 1, MultiLineString: 2, Polygon: 2, MultiPolygon: 3 }[type];
    if (depth === undefined) throw new NotShown("it is not valid GeoJSON");
    const lines = [];
    this.collect(coordinates, depth, lines);
    const kind = type.endsWith("Point") ? "points" : type.endsWith("LineString") ? "lines" : "areas";
    if (kind === "points") this.shapes.push({ kind, lines: [lines.flat()] });
    else this.shapes.push({ kind, lines });
  }

  collect(coordinates, depth, lines) {
    if (!Array.isArray(coordinates)) throw new NotShown("it is not valid GeoJSON");
    if (depth === 0) lines.push(this.point(coordinates));
    else if (depth === 1) lines.push(coordinates.map((one) => this.point(one)).flat());
    else for (const one of coordinates) this.collect(one, depth - 1, lines);
  }

  point([longitude, latitude]) {
    const isPlace = Math.abs(longitude) <= 360 && Math.abs(latitude) <= 90;
    if (!isPlace) throw new NotShown("its coordinates are not degrees of longitude and latitude");
    this.left -= 1;
    [this.west, this.east] = [Math.min(this.west, longitude), Math.max(this.east, longitude)];
    [this.south, this.north] = [Math.min(this.south, latitude), Math.max(this.north, latitude)];
    return [longitude, latitude];
  }

  bounds() {
    if (this.west > this.east) throw new NotShown("it has no coordinates");
    return [this.west, this.south, this.east, this.north];
  }
}

function propertiesOf(features) {
  const all = features.map((one) => (one && typeof one.properties === "object" && one.properties) || {});
  const columns = [...new Set(all.flatMap((one) => Object.keys(one)))].slice(0, mostProperties);
  return { columns, rows: columns.length ? all.map((one) => columns.map((column) => textOf(one[column]))) : [] };
}

// GeoTIFF: a picture of at most pictureWidth pixels, from the smallest overview that has as many.
async function readGeoTiff({ url, reader }) {
  const { fromArrayBuffer } = await import(reader);
  const tiff = await fromArrayBuffer(await fetched(url));
  const first = await tiff.getImage(0);
  const image = await overview(tiff, first);
  const samples = image.getSamplesPerPixel();
  const [across, down] = [image.getWidth(), image.getHeight()];
  if (!(across * down * samples <= mostPixels)) throw new NotShown(`it has ${first.getWidth()} × ${first.getHeight()} pixels and no smaller overview`);
  const scale = Math.min(1, pictureWidth / Math.max(across, down));
  const [width, height] = [Math.max(1, Math.round(across * scale)), Math.max(1, Math.round(down * scale))];
  const { pixels, low, high } = await colors(image, samples, width, height, nodataOf(first));
  return { pixels, low, high, width, height, samples, across: first.getWidth(), down: first.getHeight(), ...placeOf(first) };
}

async function overview(tiff, first) {
  let best = first;
  const count = Math.min(await tiff.getImageCount(), 20);
  for (let index = 1; index < count; index += 1) {
    const image = await tiff.getImage(index);
    const isSame = image.getSamplesPerPixel() === first.getSamplesPerPixel();
    if (isSame && image.getWidth() < best.getWidth() && image.getWidth() >= pictureWidth / 2) best = image;
  }
  return best;
}

function nodataOf(image) {
  const found = image.getGDALNoData();
  return found === null ? NaN : found;
}

async function colors(image, samples, width, height, nodata) {
  const kind = image.getFileDirectory ? image.fileDirectory.getValue("PhotometricInterpretation") : image.fileDirectory.PhotometricInterpretation;
  const isPicture = [3, 5, 6, 8].includes(kind) || (kind === 2 && image.getBitsPerSample(0) === 8);
  const options = { width, height };
  if (isPicture) {
    const bands = await image.readRGB({ ...options, interleave: false, enableAlpha: false });
    return { pixels: painted(width * height, (index) => [bands[0][index], bands[1][index], bands[2][index]]) };
  }
  const chosen = samples >= 3 ? [0, 1, 2] : [0];
  const bands = await image.readRasters({ ...options, samples: chosen, fillValue: nodata });
  const ranges = bands.map((band) => rangeOf(band, nodata));
  if (ranges.some((range) => !range)) throw new NotShown("it has no values other than those for missing data");
  const part = (band, index) => (band[index] - ranges[bands.indexOf(band)][0]) / (ranges[bands.indexOf(band)][1] - ranges[bands.indexOf(band)][0] || 1);
  const isMissing = (index) => !bands.every((band) => isValue(band[index], nodata));
  const color = bands.length === 1 ? (index) => viridis(part(bands[0], index)) : (index) => bands.map((band) => 255 * part(band, index));
  const pixels = painted(width * height, (index) => (isMissing(index) ? null : color(index)));
  return { pixels, low: bands.length === 1 ? ranges[0][0] : null, high: bands.length === 1 ? ranges[0][1] : null };
}

function isValue(value, nodata) {
  return Number.isFinite(value) && value !== nodata;
}

// The 2nd and the 98th percentile: a few extreme values would leave the rest without contrast.
function rangeOf(band, nodata) {
  const values = Float64Array.from(band).filter((value) => isValue(value, nodata)).sort();
  if (!values.length) return null;
  return [values[Math.floor(values.length * 0.02)], values[Math.ceil(values.length * 0.98) - 1]];
}

function painted(count, colorOf) {
  const pixels = new Uint8ClampedArray(4 * count);
  for (let index = 0; index < count; index += 1) {
    const color = colorOf(index);
    if (color) pixels.set([...color, 255], 4 * index);
  }
  return pixels;
}

const viridisColors = [[68, 1, 84], [70, 50, 127], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 194, 109], [159, 218, 58], [253, 231, 37]];

function viridis(part) {
  const place = Math.min(1, Math.max(0, part)) * (viridisColors.length - 1);
  const [at, rest] = [Math.min(Math.floor(place), viridisColors.length - 2), place - Math.min(Math.floor(place), viridisColors.length - 2)];
  return viridisColors[at].map((value, index) => value + rest * (viridisColors[at + 1][index] - value));
}

// The corners of an image in degrees, if its reference system is longitude and latitude, Web Mercator or UTM (WGS 84).
function placeOf(image) {
  let [box, keys] = [null, null];
  try {
    [box, keys] = [image.getBoundingBox(), image.getGeoKeys() || {}];
  } catch {
    return { corners: null, system: "" };
  }
  const code = keys.ProjectedCSTypeGeoKey || keys.GeographicTypeGeoKey || 0;
  const toDegrees = projectionOf(keys.GTModelTypeGeoKey, code);
  const [west, south, east, north] = box;
  const corners = [[west, south], [east, south], [east, north], [west, north], [west, south]];
  const system = code && code !== 32767 ? `EPSG:${code}` : "";
  if (!toDegrees) return { corners: null, system };
  const places = corners.map(([x, y]) => toDegrees(x, y));
  const isValid = places.every(([x, y]) => Math.abs(x) <= 360 && Math.abs(y) <= 90.001);
  return { corners: isValid ? places.flat() : null, system };
}

function projectionOf(model, code) {
  if (model === 2) return (x, y) => [x, y];
  if (code === 3857) return (x, y) => [(x / 6378137) * (180 / Math.PI), Math.atan(Math.sinh(y / 6378137)) * (180 / Math.PI)];
  const [half, zone] = [Math.floor(code / 100), code % 100];
  if ((half === 326 || half === 327) && zone >= 1 && zone <= 60) return (x, y) => fromUtm(x, half === 327 ? y - 1e7 : y, zone);
  return null;
}

// Krüger's series to the third power of n (L. Krüger, Konforme Abbildung des Erdellipsoids in der Ebene, 1912): millimeters.
function fromUtm(x, y, zone) {
  const n = 1 / (2 * 298.257223563 - 1);
  const radius = (6378137 / (1 + n)) * (1 + n ** 2 / 4 + n ** 4 / 64);
  const [xi, eta] = [y / (0.9996 * radius), (x - 500000) / (0.9996 * radius)];
  const beta = [n / 2 - (2 / 3) * n ** 2 + (37 / 96) * n ** 3, n ** 2 / 48 + n ** 3 / 15, (17 / 480) * n ** 3];
  const delta = [2 * n - (2 / 3) * n ** 2 - 2 * n ** 3, (7 / 3) * n ** 2 - (8 / 5) * n ** 3, (56 / 15) * n ** 3];
  const sum = (terms, of) => terms.reduce((total, term, index) => total + term * of(2 * (index + 1)), 0);
  const a = xi - sum(beta, (k) => Math.sin(k * xi) * Math.cosh(k * eta));
  const b = eta - sum(beta, (k) => Math.cos(k * xi) * Math.sinh(k * eta));
  const conformal = Math.asin(Math.sin(a) / Math.cosh(b));
  const latitude = conformal + sum(delta, (k) => Math.sin(k * conformal));
  const longitude = Math.atan2(Math.sinh(b), Math.cos(a));
  return [(longitude * 180) / Math.PI + 6 * zone - 183, (latitude * 180) / Math.PI];
}

const readers = { parquet: readParquet, geojson: readGeoJson, geotiff: readGeoTiff };

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ result: await readers[data.kind](data) });
  } catch (error) {
    console.warn(`${data.url}: ${error}`);
    self.postMessage({ reason: error instanceof NotShown ? error.message : "it is damaged, or of a kind that cannot be read" });
  }
};
