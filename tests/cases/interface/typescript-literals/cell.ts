// the scene
const n: number = 3; // type: int how many
let share = -0.5 // of the whole
export const city: string = 'it\'s "Lisbon"';
var two = "a\tb // c", big = 1_000_000;
const flag: boolean = true;
const xs: number[] = [1, 2, -3,];
const names: Array<string> = ["a", 'b c'];
const empty: ReadonlyArray<string> = [];
const mode: "fast" | "slow" = "fast";
let title: string | null = null;
let maybe: number | undefined;
const options: Record<string, number> = { a: 1, "b c": 2 };
const plain = `no code`;
const nothing = {};
/* const hidden = 1;
*/
const picture = "image.png"; // type: stage-out
const over = [
  "a", // the first
  "b",
];
let one = 1, // type: int the one
    other: string = 'x', f = g(1, 2); // the last
