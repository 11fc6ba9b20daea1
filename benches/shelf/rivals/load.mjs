// Loads what a library saved, in a process that does nothing else: node --expose-gc load.mjs LIBRARY SAVED
import { readFileSync } from "node:fs";

const [library, savedFile] = process.argv.slice(2);
const { load } = await import(`./${library.split("/").pop()}`);
const saved = readFileSync(savedFile);
globalThis.gc();
const before = process.memoryUsage().rss;
const started = performance.now();
const loaded = await load(saved);
const load_ms = performance.now() - started;
globalThis.gc();
const memory_bytes = Math.max(0, process.memoryUsage().rss - before);
if (!loaded) throw new Error("nothing was loaded");
console.log(JSON.stringify({ load_ms, memory_bytes, bytes: saved.length }));
