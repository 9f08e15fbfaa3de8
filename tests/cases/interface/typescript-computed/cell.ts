const a = 1 + 2;
const b = `code ${a}`;
const c = new Date();
const d = process.env.X ?? "x";
const e = (x: number) => x;
const [f, g] = [1, 2];
const h = 10n;
const i = [1, a];
const j: Foo = 3;
const re = /'/;
import fs from "fs";
let k = 1;
k += 1;
k = k + 1;
if (a) { let l = 2; }
function m() { let n = 1; }
const o = { p: { q: [1, { r: null }] } };
const s = "a" as const;
