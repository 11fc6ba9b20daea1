// The node's page: what this store sold today, what is on its way to headquarters, and whether the way is open.
//
// Every figure is read from the node; the page only counts what it shows as counted here ("selling fastest").

import { clock, count, duration, make, money, number, put, throttled } from "./show.js";
import { Rows } from "./rows.js";
import { Problem, read, whenLetIn, write } from "./session.js";
import { follow } from "./stream.js";

const SHOWN_MAX = 16;
const SELLERS_MAX = 8;
/** How many things of a sale are named. */
const NAMED_MAX = 2;
/** Of how many of the latest sales the fastest sellers are counted. */
const SELLERS_OF = 200;
const READ_EVERY_MS = 2_000;
/** What is on its way for less than this is no news: a word that comes and goes with every sale helps nobody. */
const LATE_MS = 5_000;

const page = {
  /** The newest answer to `/v1/sync`, and when it came on this device's own monotonic clock. */
  sync: null,
  syncRead_ms: 0,
  /** Whether the node itself answers. */
  answers: true,
  /** The latest sales and refunds, newest first. */
  documents: [],
  /** By SKU: name and what is left, as far as they were asked for. */
  items: new Map(),
  rows: null,
};

const refresh = throttled(async () => {
  try {
    const [sync, today] = await Promise.all([read("/v1/sync"), read("/v1/today")]);
    page.sync = sync;
    page.syncRead_ms = performance.now();
    page.answers = true;
    put("total", money(today.total, today.currency));
    put("sales", number(today.sales));
  } catch (error) {
    if (!(error instanceof Problem)) page.answers = false;
  }
  showLink();
  showDocuments();
}, 400);

// The link, in words that a cashier can act on.

const LINK = {
  online: () => ["Connected to headquarters", "Everything that is sold here reaches headquarters at once."],
  draining: () => ["Connected, catching up", "What was kept here is on its way to headquarters. There is nothing to do."],
  disabled: () => [
    "Not linked to any headquarters",
    "This store stands alone: everything that is sold is kept here.",
  ],
  offline: (since) => [
    "No connection to headquarters",
    `Since ${since}. Go on selling: everything is kept safe here and is sent by itself when the connection is back.`,
  ],
  cut: (since) => [
    "The link is cut by hand",
    `Since ${since}. Go on selling: everything is kept safe here, and is sent once the link is mended.`,
  ],
  lost: () => [
    "This page has lost the store's node",
    "The figures below are old. This page tries again by itself; ask at a till whether it can still sell.",
  ],
};

// The words above are announced to people who listen to the page, so nothing in them ticks; what ticks stands in the
// figures, which are not announced.
function showLink() {
  put("clock", `· ${clock(Date.now())}`);
  document.getElementById("page").classList.toggle("old", !page.answers);
  if (page.sync === null) return;
  const { link, link_since, pending, oldest_pending_age_ms } = page.sync;
  const age_ms = oldest_pending_age_ms + performance.now() - page.syncRead_ms;
  const late = pending > 0 && link !== "disabled" && (link !== "online" || age_ms > LATE_MS);
  const state = !page.answers ? "lost" : link === "online" && late ? "draining" : link;
  const [title, words] = LINK[state](clock(link_since));
  document.getElementById("link").dataset.state = state === "draining" ? "online" : state;
  put("link-title", title);
  put("link-words", words);
  put("pending", number(pending));
  put("oldest", late ? duration(age_ms / 1_000) : "–");
  document.getElementById("pending-box").classList.toggle("waits", late);
  const button = document.getElementById("switch");
  button.hidden = button.dataset.offered !== "true" || link === "disabled";
  button.textContent = link === "cut" ? "Mend the link" : "Cut the link";
}

async function switchLink(event) {
  const button = event.currentTarget;
  const failed = document.getElementById("switch-failed");
  button.disabled = true;
  failed.hidden = true;
  try {
    await write("/v1/link", { cut: page.sync?.link !== "cut" });
  } catch (problem) {
    failed.textContent = problem instanceof Problem ? problem.message : "The node does not answer.";
    failed.hidden = false;
  }
  button.disabled = false;
  refresh();
}

// Sales and refunds, newest first.

async function readLatest() {
  try {
    page.documents = (await read(`/v1/sales?limit=${SELLERS_OF}&order=newest`)).sales.map(keyed);
    showDocuments();
    showSellers();
  } catch {
    // The link's state says that the node does not answer; the next connection reads again.
  }
}

function keyed(document) {
  return { ...document, key: document.receipt };
}

function arrived(document) {
  if (page.documents.some((known) => known.key === document.receipt)) return;
  page.documents.unshift(keyed(document));
  page.documents.length = Math.min(page.documents.length, SELLERS_OF);
  showDocuments();
  showSellers();
}

function showDocuments() {
  page.rows.show(page.documents);
  nameShown();
}

/** Looks up the names that rows show, those that are not known yet. */
const nameShown = throttled(async () => {
  const shown = page.documents.slice(0, SHOWN_MAX).flatMap(({ lines }) => lines.slice(0, NAMED_MAX));
  const unknown = new Set(shown.map(({ sku }) => sku).filter((sku) => !page.items.has(sku)));
  if (unknown.size === 0) return;
  await Promise.all([...unknown].map(readItem));
  page.rows.show(page.documents);
}, 1_000);

function rowOf(sale) {
  const refund = sale.kind === "refund";
  const place = [clock(sale.at), sale.receipt, payment(sale)].map((part) => make("span", "", part));
  return make(
    "li",
    refund ? "back" : "",
    make("span", "items"),
    make("span", "money", money(refund ? `-${sale.totals.total}` : sale.totals.total, sale.currency)),
    make("span", "place", ...place),
    make("span", "mark"),
  );
}

function summary(sale) {
  const names = sale.lines.slice(0, NAMED_MAX).map(({ sku }) => page.items.get(sku)?.name);
  const more = sale.lines.length - names.length;
  // Names have commas in them.
  const named = names.join(" · ") + (more > 0 ? ` · ${number(more)} more` : "");
  const items = names.includes(undefined) ? count(sale.lines.length, "item", "items") : named;
  return sale.kind === "refund" ? `Brought back: ${items}` : items;
}

function payment(sale) {
  const paid = sale.tenders.map((tender) => tender.kind.replace("_", " ")).join(" and ");
  return sale.channel === "kiosk" ? `${paid} at the kiosk` : paid;
}

function markRow(row, sale) {
  row.querySelector(".items").textContent = summary(sale);
  const mark = row.querySelector(".mark");
  const there = page.sync !== null && sale.seq <= page.sync.acknowledged_seq;
  mark.textContent = there ? "✓ at headquarters" : "kept here";
  mark.className = `mark ${there ? "there" : "here"}`;
}

// What sells fastest among the latest sales, and how much of it is left.

const showSellers = throttled(async () => {
  const sold = new Map();
  for (const sale of page.documents) {
    if (sale.kind === "refund") continue;
    for (const line of sale.lines) sold.set(line.sku, (sold.get(line.sku) ?? 0) + Number(line.quantity));
  }
  const fastest = [...sold].sort(([, a], [, b]) => b - a).slice(0, SELLERS_MAX);
  await Promise.all(fastest.filter(([sku]) => !page.items.has(sku)).map(([sku]) => readItem(sku)));
  const lines = fastest.map(([sku, quantity]) => {
    const item = page.items.get(sku);
    const left = make("td", "figure", item?.left === undefined ? "–" : number(item.left));
    if (Number(item?.left) <= 0) left.classList.add("low");
    return make("tr", "", make("td", "", item?.name ?? sku), make("td", "figure", number(quantity)), left);
  });
  document.getElementById("sellers").replaceChildren(...lines);
  put("sellers-of", `Among the latest ${count(page.documents.length, "sale", "sales")}`);
}, 1_000);

async function readItem(sku) {
  try {
    const [product, stock] = await Promise.all([
      read(`/v1/products/${encodeURIComponent(sku)}`),
      read(`/v1/stock/${encodeURIComponent(sku)}`),
    ]);
    page.items.set(sku, { name: product.name, left: stock.quantity });
  } catch (error) {
    // An item that the catalog no longer has keeps its number.
    if (error instanceof Problem) page.items.set(sku, { name: sku });
  }
}

function left({ sku, quantity }) {
  const item = page.items.get(sku);
  if (item === undefined) return;
  item.left = quantity;
  showSellers();
}

whenLetIn(() => {
  page.rows = new Rows({
    list: document.getElementById("arriving"),
    none: document.getElementById("arriving-none"),
    hold: document.getElementById("hold"),
    rows_max: SHOWN_MAX,
    make: rowOf,
    mark: markRow,
  });
  follow("/v1/events", {
    open: () => Promise.all([refresh(), readLatest()]),
    event: (name, data) => {
      if (name === "sale" || name === "refund") arrived(data);
      if (name === "stock") left(data);
      refresh();
    },
    lost: refresh,
  });
  setInterval(refresh, READ_EVERY_MS);
  setInterval(showLink, 1_000);
  document.getElementById("switch").addEventListener("click", switchLink);
});
