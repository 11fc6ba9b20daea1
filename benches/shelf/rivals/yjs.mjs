// Yjs: one document with one map. Yjs has no counter, and of two numbers written at once it keeps one: so each replica
// writes an entry of its own for an item, the sum of its changes, and the stock is the sum over all replicas.
import * as Y from "yjs";

export async function create(replicas) {
  let bytes = 0;
  const all = [...Array(replicas).keys()];
  const docs = all.map((at) => {
    const doc = new Y.Doc();
    doc.clientID = at + 1;
    return doc;
  });
  const maps = docs.map((doc) => doc.getMap("stock"));
  const updates = docs.map(() => []);
  docs.forEach((doc, at) => doc.on("update", (update, origin) => origin !== "theirs" && updates[at].push(update)));
  const bring = (from, to) => {
    const state = Y.encodeStateVector(docs[to]);
    const update = Y.encodeStateAsUpdate(docs[from], state);
    bytes += state.length + update.length;
    Y.applyUpdate(docs[to], update, "theirs");
  };
  return {
    read: (at, item) => all.reduce((sum, by) => sum + (maps[at].get(`${item}/${by}`) ?? 0), 0),
    change(at, item, units) {
      const key = `${item}/${at}`;
      maps[at].set(key, (maps[at].get(key) ?? 0) + units);
      return updates[at].splice(0);
    },
    live(to, update) {
      for (const each of update) {
        bytes += each.length;
        Y.applyUpdate(docs[to], each, "theirs");
      }
    },
    meet(a, b) {
      bring(a, b);
      bring(b, a);
    },
    save: (at) => Y.encodeStateAsUpdate(docs[at]),
    bytes: () => bytes,
  };
}

export async function load(saved) {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, saved);
  return doc.getMap("stock").size > 0 && doc;
}
