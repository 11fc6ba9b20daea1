// PouchDB with its memory adapter: a document for each item, with the sum of each replica's changes, so that
// conflicting revisions can be merged without losing a sale: entry by entry the revision that knows more of that
// replica. The upper end of a link merges conflicts when the link comes back; the losing revisions are removed.
//
// Revisions go over a link as CouchDB's replication protocol has it (changes since the last checkpoint, which revisions
// are missing, those with their history, written as they are); while a link is up each one at once. What is counted are
// the bodies as JSON, without HTTP.
import PouchDB from "pouchdb-core";
import memory from "pouchdb-adapter-memory";

PouchDB.plugin(memory);
const size = (body) => Buffer.byteLength(JSON.stringify(body));
const open = (name) => new PouchDB(name, { adapter: "memory", auto_compaction: true });

export async function create(replicas) {
  let bytes = 0;
  const dbs = [...Array(replicas).keys()].map((at) => open(`replica-${at}`));
  const checkpoints = new Map();
  const stored = (at, item) =>
    dbs[at].get(`item-${item}`).catch((error) => {
      if (error.status !== 404) throw error;
      return { _id: `item-${item}`, by: {} };
    });
  async function write(to, docs) {
    bytes += size(docs);
    await dbs[to].bulkDocs(docs, { new_edits: false });
  }
  async function replicate(from, to) {
    const key = `${from}-${to}`;
    const changes = await dbs[from].changes({ since: checkpoints.get(key) ?? 0, style: "all_docs" });
    if (changes.results.length === 0) return [];
    const leaves = (row) => row.changes.map((change) => change.rev);
    const revisions = Object.fromEntries(changes.results.map((row) => [row.id, leaves(row)]));
    const missing = await dbs[to].revsDiff(revisions);
    const wanted = Object.entries(missing).flatMap(([id, { missing }]) => missing.map((rev) => ({ id, rev })));
    bytes += size(changes.results) + size(revisions) + size(missing);
    if (wanted.length > 0) {
      const got = await dbs[from].bulkGet({ docs: wanted, revs: true });
      await write(to, got.results.flatMap((result) => result.docs.map((doc) => doc.ok).filter(Boolean)));
    }
    checkpoints.set(key, changes.last_seq);
    return Object.keys(missing);
  }
  async function merge(at, ids) {
    for (const id of ids) {
      const doc = await dbs[at].get(id, { conflicts: true });
      if (!doc._conflicts) continue;
      for (const rev of doc._conflicts) {
        const other = await dbs[at].get(id, { rev });
        for (const [by, [changes, sum]] of Object.entries(other.by)) {
          if (!doc.by[by] || doc.by[by][0] < changes) doc.by[by] = [changes, sum];
        }
        await dbs[at].remove(id, rev);
      }
      delete doc._conflicts;
      await dbs[at].put(doc);
    }
  }
  return {
    async read(at, item) {
      const doc = await stored(at, item);
      return Object.values(doc.by).reduce((sum, [, units]) => sum + units, 0);
    },
    async change(at, item, units) {
      const doc = await stored(at, item);
      const [changes, sum] = doc.by[at] ?? [0, 0];
      doc.by[at] = [changes + 1, sum + units];
      await dbs[at].put(doc);
      return [await dbs[at].get(doc._id, { revs: true })];
    },
    live: write,
    async meet(above, below) {
      await merge(above, await replicate(below, above));
      await replicate(above, below);
    },
    async save(at) {
      const all = await dbs[at].allDocs({ include_docs: true });
      return JSON.stringify(all.rows.map((row) => row.doc));
    },
    bytes: () => bytes,
  };
}

export async function load(saved) {
  const db = open("loaded");
  await db.bulkDocs(JSON.parse(saved), { new_edits: false });
  return (await db.info()).doc_count > 0 && db;
}
