// Plays a trace through a library: node play.mjs LIBRARY TRACE SAVED
//
// Every replica (headquarters, the store, kiosks) keeps the stock in the library's own way and promises an item while
// its own copy says that there is enough: that is all that a library without rights can do. While a link is up each
// change goes over it at once; when a link comes back both ends bring each other up to date, and the news goes on. A
// promise that turns out to have nothing behind it is taken back when its customer comes for the goods.
//
// What really is there is counted beside it, by this script alone.
import { readFileSync, writeFileSync } from "node:fs";

const [library, traceFile, savedFile] = process.argv.slice(2);
const [head, ...events] = readFileSync(traceFile, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
const { create } = await import(`./${library.split("/").pop()}`);

const STORE = 1;
const parent = (at) => (at === 0 ? -1 : at === STORE ? 0 : STORE);
const stock = await create(head.replicas, head.items);
const up = Array(head.replicas).fill(true);
const all = [...Array(head.replicas).keys()];
const linked = (at, other) => (parent(other) === at || parent(at) === other) && up[Math.max(at, other)];
const neighbours = (at) => all.filter((other) => linked(at, other));

async function change(at, item, units) {
  const update = await stock.change(at, item, units);
  const reached = new Set([at]);
  for (const from of reached) {
    for (const to of neighbours(from)) {
      if (reached.has(to)) continue;
      reached.add(to);
      await stock.live(to, update);
    }
  }
}

async function mend(link) {
  up[link] = true;
  await stock.meet(parent(link), link);
  // Up to headquarters first, then down to all who can be reached.
  for (const each of [STORE, ...all.slice(STORE)]) if (up[each]) await stock.meet(parent(each), each);
}

const free = Array(head.items).fill(0);
const result = { asked: 0, refused: 0, refused_beside_goods: 0, oversold: 0, sold: 0 };

async function visit(at, item, units) {
  result.asked += 1;
  if ((await stock.read(at, item)) < units) {
    result.refused += 1;
    if (free[item] >= units) result.refused_beside_goods += 1;
    return null;
  }
  const there = Math.min(units, Math.max(0, free[item]));
  result.oversold += units - there;
  free[item] -= there;
  await change(at, item, -units);
  return { at, item, units, there };
}

async function leave({ at, item, units, there }, buys) {
  const kept = buys ? there : 0;
  result.sold += kept;
  free[item] += there - kept;
  if (units > kept) await change(at, item, units - kept);
}

// Those who have a promise leave in the order of their time: a heap of [time, number, visit, buys].
const leaving = [];
function put(entry) {
  let at = leaving.push(entry) - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    if (!before(leaving[at], leaving[above])) return;
    swap(at, above);
    at = above;
  }
}
function take() {
  swap(0, leaving.length - 1);
  const first = leaving.pop();
  for (let at = 0; ; ) {
    let least = at;
    for (const below of [2 * at + 1, 2 * at + 2]) {
      if (below < leaving.length && before(leaving[below], leaving[least])) least = below;
    }
    if (least === at) return first;
    swap(at, least);
    at = least;
  }
}
const before = (a, b) => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
const swap = (a, b) => ([leaving[a], leaving[b]] = [leaving[b], leaving[a]]);

async function leaveUntil(ms) {
  while (leaving.length > 0 && leaving[0][0] <= ms) {
    const [, , promise, buys] = take();
    await leave(promise, buys);
  }
}

for (const [number, [ms, kind, ...rest]] of events.entries()) {
  await leaveUntil(ms);
  if (kind === "visit") {
    const [at, item, units, stays, buys] = rest;
    const promise = await visit(at, item, units);
    if (promise) put([ms + stays, number, promise, buys]);
  } else if (kind === "deliver") {
    const [item, units] = rest;
    free[item] += units;
    await change(STORE, item, units);
  } else if (kind === "cut") {
    up[rest[0]] = false;
  } else {
    await mend(rest[0]);
  }
}
await leaveUntil(Infinity);
for (let link = 1; link < head.replicas; link++) await mend(link);
for (let item = 0; item < head.items; item++) {
  for (let at = 0; at < head.replicas; at++) {
    const read = await stock.read(at, item);
    if (read !== free[item]) throw new Error(`item ${item}: ${free[item]} are there, and replica ${at} has ${read}`);
  }
}
writeFileSync(savedFile, await stock.save(0));
console.log(JSON.stringify({ ...result, bytes: stock.bytes() }));
