const a = 1;
const b = [1, 2;
const c = 3;
