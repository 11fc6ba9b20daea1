// Headquarters' page: what every site sold today, up to when that is known, and what needs a person.

import { clock, count, difference, duration, make, money, number, put, sum, throttled } from "./show.js";
import { Rows } from "./rows.js";
import { Problem, read, whenLetIn } from "./session.js";
import { follow } from "./stream.js";

const READ_EVERY_MS = 2_000;
const SHOWN_MAX = 16;
/** What is on its way for less than this is no news: a word that comes and goes with every sale helps nobody. */
const BEHIND_MS = 5_000;
/** A sale that was made this long before it arrived was kept somewhere meanwhile. */
const LATE_S = 10;

const page = {
  answers: true,
  /** By site: figures, the state of its link, and what was there when its link went. */
  sites: new Map(),
  arrived: [],
  rows: null,
  read_ms: 0,
};

const refresh = throttled(async () => {
  try {
    const today = localDay();
    const [totals, nodes, open, waiting, again] = await Promise.all([
      read(`/v1/totals?from=${today}&to=${today}&limit=500`),
      read("/v1/nodes"),
      read("/v1/set-aside?state=open"),
      read("/v1/set-aside?state=waiting"),
      read("/v1/conflicts"),
    ]);
    page.answers = true;
    page.read_ms = performance.now();
    takeIn(totals.totals, nodes.nodes);
    showDecisions([
      ...nodes.nodes.flatMap(apartRows),
      ...open.records.map(unreadRow),
      ...waiting.records.map(newerRow),
      ...again.conflicts.map(conflictRow),
    ]);
  } catch (error) {
    if (!(error instanceof Problem)) page.answers = false;
  }
  show();
}, 500);

/** Today on this device: each site's business day is its own tills' affair, and the totals are asked for by it. */
function localDay() {
  const now = new Date();
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

// Sites.

function takeIn(totals, nodes) {
  const names = new Set([...totals.map((total) => total.site), ...nodes.map((node) => node.site)]);
  for (const name of [...names].sort()) {
    const site = page.sites.get(name) ?? { name, met: null, atLoss: null };
    page.sites.set(name, site);
    const total = totals.find((total) => total.site === name);
    site.currency = total?.currency ?? site.currency;
    site.sales = total?.sales ?? 0;
    site.net = total === undefined ? "0" : difference(total.total, total.refunded);
    const here = nodes.filter((node) => node.site === name);
    site.pending = here.reduce((pending, node) => pending + node.pending, 0);
    site.behind = site.pending > 0 && here.some((node) => Date.now() - Date.parse(node.complete_through) > BEHIND_MS);
    site.online = here.length > 0 && here.every((node) => node.online);
    site.through = here.map((node) => node.complete_through).sort()[0];
    site.apart = here.reduce((apart, node) => apart + node.set_apart, 0);
    noteMeeting(site);
  }
}

/** When a site's link has gone, what was sold until then is noted; when everything is in again, what came since. */
function noteMeeting(site) {
  const whole = site.online && site.pending === 0;
  if (!site.online && site.atLoss === null) {
    site.atLoss = { sales: site.sales, net: site.net, since: site.through };
    site.met = null;
  } else if (whole && site.atLoss !== null) {
    const sales = site.sales - site.atLoss.sales;
    site.met = { at: Date.now(), sales, net: difference(site.net, site.atLoss.net), since: site.atLoss.since };
    site.atLoss = null;
  }
}

function stateOf(site) {
  if (!page.answers) return "lost";
  if (!site.online) return "offline";
  if (site.apart > 0) return "apart";
  return site.behind ? "draining" : "online";
}

function show() {
  put("clock", `· ${clock(Date.now())}`);
  document.getElementById("page").classList.toggle("old", !page.answers);
  const sites = [...page.sites.values()];
  const list = document.getElementById("sites");
  for (const site of sites) {
    site.card ??= list.appendChild(newCard(site.name));
    showCard(site);
  }
  showWhole(sites);
}

function newCard(name) {
  const card = document.getElementById("site-card").content.firstElementChild.cloneNode(true);
  card.querySelector("h3").textContent = name;
  return card;
}

function showCard(site) {
  const { card } = site;
  const state = stateOf(site);
  const set = (part, text) => {
    const element = card.querySelector(`[data-part="${part}"]`);
    if (element.textContent !== text) element.textContent = text;
  };
  card.dataset.state = state === "draining" ? "online" : state;
  set("state", WORDS[state]);
  set("total", site.currency === undefined ? "–" : money(site.net, site.currency));
  set("sales", count(site.sales, "sale", "sales"));
  set("through", state === "online" ? "now" : site.through === undefined ? "never heard of" : clock(site.through));
  set("waiting", waiting(site, state));
  const met = card.querySelector(".met");
  met.hidden = site.met === null;
  if (site.met !== null) met.textContent = metWords(site);
}

const WORDS = {
  online: "Link up, complete",
  draining: "Link up, catching up",
  offline: "No link: this figure is old",
  apart: "Not complete: a decision is needed",
  lost: "Headquarters does not answer this page",
};

function waiting(site, state) {
  if (site.apart > 0) return `${count(site.apart, "record is", "records are")} set apart until somebody decides`;
  if (state === "offline") return "It goes on selling. What it sells now is not in here yet";
  return site.behind ? `${count(site.pending, "record", "records")}` : "Nothing waiting";
}

function metWords({ met, currency }) {
  const sales = count(met.sales, "sale", "sales");
  const came = `${sales} and ${money(met.net, currency)} came in since the link was lost`;
  return `The figures met at ${clock(met.at)}: ${came}.`;
}

/** All sites together: as good as the worst of them. */
function showWhole(sites) {
  const state = document.getElementById("state");
  const away = sites.filter((site) => !site.online);
  const behind = sites.filter((site) => site.online && site.behind);
  const apart = sites.filter((site) => site.apart > 0);
  let [kind, title, words] = ["online", "Every site is linked", "The figures below are complete."];
  if (!page.answers) {
    [kind, title] = ["lost", "This page has lost headquarters"];
    words = "The figures below are old. This page tries again by itself.";
  } else if (sites.length === 0) {
    [kind, title, words] = ["unknown", "No site has reported yet", "A site appears here as soon as its node has."];
  } else if (away.length > 0) {
    [kind, title] = ["offline", `${names(away)} cannot be reached`];
    words = "Selling goes on there; the sums below are what is known, and grow when the link is back.";
  } else if (apart.length > 0) {
    [kind, title] = ["apart", `${names(apart)}: a decision is needed`];
    words = "Records are kept and not in the sums below until somebody decides; see further down.";
  } else if (behind.length > 0) {
    [title, words] = ["Every site is linked", `${names(behind)}: kept sales are coming in.`];
  }
  state.dataset.state = kind;
  put("state-title", title);
  put("state-words", words);
  const currencies = new Set(sites.map((site) => site.currency).filter((currency) => currency !== undefined));
  // Different currencies have no sum.
  put("total", currencies.size === 1 ? money(sum(sites.map((site) => site.net)), [...currencies][0]) : "–");
  put("sales", number(sites.reduce((sales, site) => sales + site.sales, 0)));
  const oldest = away.concat(behind, apart).map((site) => site.through).filter((through) => through !== undefined).sort()[0];
  put("through", sites.length === 0 ? "–" : oldest === undefined ? "now" : clock(oldest));
  document.getElementById("through-box").classList.toggle("waits", oldest !== undefined);
}

function names(sites) {
  return new Intl.ListFormat(undefined, { type: "conjunction" }).format(sites.map((site) => site.name));
}

// Sales as they arrive.

function arrive(sale) {
  if (page.arrived.some((known) => known.key === sale.receipt)) return;
  page.arrived.unshift({ ...sale, key: sale.receipt, arrived: Date.now() });
  page.arrived.length = Math.min(page.arrived.length, SHOWN_MAX);
  page.rows.show(page.arrived);
}

function rowOf(sale) {
  const refund = sale.kind === "refund";
  const late_s = (sale.arrived - Date.parse(sale.at)) / 1_000;
  const place = [clock(sale.at), sale.receipt].map((part) => make("span", "", part));
  return make(
    "li",
    refund ? "back" : "",
    make("span", "items", refund ? `${sale.site}, brought back` : sale.site),
    make("span", "money", money(refund ? `-${sale.total}` : sale.total, sale.currency)),
    make("span", "place", ...place),
    make("span", "mark here", late_s > LATE_S ? `came ${duration(late_s)} later` : ""),
  );
}

// What needs a person.

/** The rows as they were last shown: a row that stays is left alone, so that its command can be marked and copied. */
let decisionsShown = "";

function showDecisions(rows) {
  const now = rows.map((row) => row.textContent).join("\n");
  if (now === decisionsShown) return;
  decisionsShown = now;
  document.getElementById("decide").replaceChildren(...rows);
  document.getElementById("decide-none").hidden = rows.length > 0;
  document.getElementById("decide-how").hidden = rows.length === 0;
}

const REASONS = {
  restored: "was restored from a backup",
  set_back: "went on from an older state of its disk",
  copied: "runs on a copied disk",
  moved: "runs in another machine than before",
};

function apartRows(node) {
  return node.incarnations
    .filter(({ state }) => state === "set_apart")
    .map(({ incarnation, reason, acknowledged_seq }) =>
      decision(
        `${node.node} ${REASONS[reason] ?? "began a new journal"}`,
        `${count(acknowledged_seq, "record is", "records are")} kept and not counted. Decide whether they count:`,
        `finalmarket settle --of FOLDER ${node.node} ${incarnation} count`,
      ),
    );
}

function unreadRow({ record, by }) {
  return decision(
    `A record of ${record.node} is not counted`,
    `${by.map(({ reason }) => reason).join("; ")}. Everything else was counted. Look at it, then repair it:`,
    `/v1/set-aside/${record.node}/${record.incarnation}/${record.seq}`,
  );
}

function newerRow({ record }) {
  const what = `A record of ${record.node} is of a newer kind`;
  return decision(what, "It is kept, and is counted once headquarters is upgraded.", null);
}

function conflictRow({ series, counter, record }) {
  return decision(
    `Two sales are called ${series}:${counter}`,
    `The one that came second, in record ${record.seq} of ${record.node}, is kept and not counted. Compare them:`,
    `/v1/sales/${series}/${counter}`,
  );
}

function decision(what, why, todo) {
  const parts = [make("strong", "", what), make("span", "", why)];
  if (todo !== null) parts.push(make("code", "", todo));
  return make("li", "decision", ...parts);
}

whenLetIn(() => {
  page.rows = new Rows({
    list: document.getElementById("arriving"),
    none: document.getElementById("arriving-none"),
    hold: document.getElementById("hold"),
    rows_max: SHOWN_MAX,
    make: rowOf,
  });
  follow("/v1/events", {
    open: refresh,
    event: (name, data) => {
      if (name === "sale") arrive(data);
      refresh();
    },
    lost: refresh,
  });
  setInterval(refresh, READ_EVERY_MS);
  setInterval(show, 1_000);
});
