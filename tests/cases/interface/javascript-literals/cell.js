n = 3
var s = 'a'; let t = "b"; // type: string the t
const u = undefined
const flags = [true, false]
