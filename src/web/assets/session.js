// The token of this browser, and calls to the process that served the page. The page itself carries no secret: the
// token comes in the address's fragment, which no server sees, or a person types it, or the code that is good for one.

const KEY = "finalmarket.token";
const PAIR = "/v1/pair";

/** Takes a token out of the address, so that it is neither bookmarked nor seen over a shoulder. */
function takeTokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return;
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname + location.search);
}

/** What the process answered when it did not do what was asked. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `The answer was ${status}.`);
    this.status = status;
  }
}

/** A request with the token. Throws a `Problem` for a refusal, a `TypeError` where nothing answers. */
export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  const token = sessionStorage.getItem(KEY);
  if (token === null && path !== PAIR) throw new Problem(401, null);
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.ok) return response;
  const problem = new Problem(response.status, await response.json().catch(() => null));
  // A token that is not one is refused here too, at the first call. Only where it is still the token that was refused: another request may have put a new one there meanwhile.
  if (response.status === 401 && token !== null && sessionStorage.getItem(KEY) === token) {
    sessionStorage.removeItem(KEY);
    showForm("That does not let this browser in, or no longer does.");
  }
  throw problem;
}

/** Reads JSON. */
export async function read(path) {
  return (await request(path)).json();
}

/** Writes JSON, once however often the network repeats it. */
export async function write(path, body) {
  // Not `crypto.randomUUID`: it is there only on HTTPS and on loopback, and a store's LAN has neither.
  const random = crypto.getRandomValues(new Uint32Array(4));
  const headers = { "Content-Type": "application/json", "Idempotency-Key": Array.from(random, hex).join("") };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

function hex(number) {
  return number.toString(16).padStart(8, "0");
}

let letIn = null;

/** Calls `start` once there is a token: at once, or when a person has typed one or its code. */
export function whenLetIn(start) {
  takeTokenFromAddress();
  letIn = start;
  document.getElementById("let-in").addEventListener("submit", ask);
  // A second link pasted into the same tab changes only the fragment, which loads nothing.
  addEventListener("hashchange", () => {
    takeTokenFromAddress();
    if (sessionStorage.getItem(KEY) !== null) location.reload();
  });
  if (sessionStorage.getItem(KEY) === null) showForm("");
  else open();
}

function open() {
  document.getElementById("let-in").hidden = true;
  document.getElementById("page").hidden = false;
  const start = letIn;
  letIn = null;
  // After a refusal everything is started already and goes on by itself.
  start?.();
}

function showForm(message) {
  document.getElementById("page").hidden = true;
  const form = document.getElementById("let-in");
  form.hidden = false;
  document.getElementById("let-in-message").textContent = message;
  field(form).focus();
}

/** Where the person types: a pairing code at a node, a token at headquarters. */
function field(form) {
  return form.elements.code ?? form.elements.token;
}

async function ask(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const message = document.getElementById("let-in-message");
  const typed = field(form).value.trim();
  message.textContent = "Asking …";
  try {
    const token = form.elements.code ? (await write(PAIR, { code: typed, name: "browser" })).token : typed;
    sessionStorage.setItem(KEY, token);
    form.reset();
    message.textContent = "";
    open();
  } catch (problem) {
    message.textContent = problem instanceof Problem ? problem.message : "Nothing answers. Try again in a moment.";
    field(form).select();
  }
}
