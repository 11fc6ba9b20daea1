// A replica in another language: reads the documents of shelves with the official Automerge package for JavaScript, and
// writes one of its own. What it knows of their form is what the module's documentation says.
//
//   node shelf.mjs PACKAGE read  DOCUMENT                     the document, as JSON
//   node shelf.mjs PACKAGE write DOCUMENT GIVEN_BY AMOUNT     a document of its own, a row at a time, into the folder DOCUMENT
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, verb, file, ...rest] = process.argv.slice(2);
const A = createRequire(join(folder, "package.json"))("@automerge/automerge");

const PLAIN = ["added", "removed", "held", "freed", "debt", "repaid"];
const UNIT = 1000n;

function reader(bytes) {
  let at = 0;
  const byte = () => bytes[at++];
  const number = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const next = byte();
      value |= BigInt(next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
  };
  const amount = () => {
    const value = number();
    return value % 2n === 0n ? (value / 2n) * UNIT : value / 2n;
  };
  return { byte, number, amount, done: () => at === bytes.length };
}

function unpack(bytes, peers) {
  const from = reader(bytes);
  const present = from.byte();
  const row = {};
  PLAIN.forEach((name, bit) => {
    if (present & (1 << bit)) row[name] = from.amount().toString();
  });
  ["given", "accepted"].forEach((name, place) => {
    if (!(present & (1 << (6 + place)))) return;
    row[name] = {};
    for (let left = from.number(); left > 0n; left--) {
      const peer = peers[Number(from.number())];
      row[name][peer] = from.amount().toString();
    }
  });
  if (!from.done()) throw new Error("bytes behind a row");
  return row;
}

function pack(row, peers) {
  const bytes = [0];
  const number = (value) => {
    for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
    bytes.push(Number(value));
  };
  const amount = (value) => number(value % UNIT === 0n ? (value / UNIT) * 2n : value * 2n + 1n);
  PLAIN.forEach((name, bit) => {
    if (!row[name]) return;
    bytes[0] |= 1 << bit;
    amount(row[name]);
  });
  ["given", "accepted"].forEach((name, place) => {
    const entries = Object.entries(row[name] ?? {}).map(([peer, n]) => [peers.indexOf(peer), n]);
    if (entries.length === 0) return;
    bytes[0] |= 1 << (6 + place);
    number(BigInt(entries.length));
    for (const [peer, n] of entries.sort((a, b) => a[0] - b[0])) {
      number(BigInt(peer));
      amount(n);
    }
  });
  return new Uint8Array(bytes);
}

if (verb === "read") {
  const document = A.load(readFileSync(file));
  const peers = document.peers.map(String);
  const rows = Object.fromEntries(document.skus.map((sku, at) => [String(sku), unpack(document.rows[at], peers)]));
  const [bucket, generation, through] = [document.bucket, document.generation, document.through].map(Number);
  const names = [document.site, document.node, document.incarnation].map(String);
  console.log(JSON.stringify({ names, bucket, generation, through, heads: A.getHeads(document), rows }));
} else {
  const [giver, amount] = rest;
  // Its incarnation is 2-00000000000abcde, its first generation.
  const actor = "00000000000abcde" + "00000002" + "00000000";
  const str = (text) => new A.ImmutableString(text);
  let document = A.change(A.init({ actor }), (draft) => {
    Object.assign(draft, { site: str("store-1"), node: str("kiosk-js"), incarnation: str("2-00000000000abcde") });
    Object.assign(draft, { bucket: 0, generation: 0, through: 1, peers: [str(giver)] });
    Object.assign(draft, { skus: [str("milk")], rows: [pack({ accepted: { [giver]: BigInt(amount) } }, [giver])] });
  });
  const save = (name) => writeFileSync(join(file, name), A.save(document));
  const first = A.getAllChanges(document);
  save("first");
  document = A.change(document, (draft) => {
    // It has held two, sold one of them, and 375 thousandths of something that it had no right to.
    const row = { accepted: { [giver]: BigInt(amount) }, held: 2000n, freed: 1000n, removed: 1000n };
    draft.rows[0] = pack(row, [giver]);
    draft.skus.push(str("loose-tea"));
    draft.rows.push(pack({ removed: 375n, debt: 375n }, [giver]));
    draft.through = 4;
  });
  save("second");
  const changes = A.getChanges(A.load(readFileSync(join(file, "first"))), document);
  [...first, ...changes].forEach((change, at) => writeFileSync(join(file, `change-${at}`), change));
}
