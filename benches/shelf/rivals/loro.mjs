// Loro: one document, a counter for each item, which is what its counters are for: changes of all replicas add up.
import { LoroDoc } from "loro-crdt";

export async function create(replicas) {
  let bytes = 0;
  const docs = [...Array(replicas).keys()].map((at) => {
    const doc = new LoroDoc();
    doc.setPeerId(String(at + 1));
    return doc;
  });
  const updates = docs.map(() => []);
  docs.forEach((doc, at) => doc.subscribeLocalUpdates((update) => updates[at].push(update)));
  const bring = (from, to) => {
    const update = docs[from].export({ mode: "update", from: docs[to].oplogVersion() });
    bytes += update.length;
    docs[to].import(update);
  };
  return {
    read: (at, item) => docs[at].getCounter(`item-${item}`).value,
    change(at, item, units) {
      docs[at].getCounter(`item-${item}`).increment(units);
      docs[at].commit();
      return updates[at].splice(0);
    },
    live(to, update) {
      for (const each of update) {
        bytes += each.length;
        docs[to].import(each);
      }
    },
    meet(a, b) {
      if (docs[a].oplogVersion().compare(docs[b].oplogVersion()) === 0) return;
      bring(a, b);
      bring(b, a);
    },
    save: (at) => docs[at].export({ mode: "snapshot" }),
    bytes: () => bytes,
  };
}

export async function load(saved) {
  const doc = new LoroDoc();
  doc.import(saved);
  return doc.toJSON() && doc;
}
