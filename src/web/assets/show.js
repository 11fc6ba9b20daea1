// How figures and times are written for people, and how they get onto the page. Text only ever goes in as text: a name
// of an item is never markup.

/** An amount as the server writes it ("12.30") in its currency. Exact: the text is never made a binary number. */
export function money(amount, currency) {
  return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(amount);
}

/** A count or a quantity ("0.635"). */
export function number(quantity) {
  return new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 }).format(quantity);
}

/** "1 sale", "2 sales". */
export function count(howMany, one, many) {
  return `${number(howMany)} ${howMany === 1 ? one : many}`;
}

/** The time of day on this device's clock, with the day where it is another. */
export function clock(instant) {
  const at = new Date(instant);
  const today = at.toDateString() === new Date().toDateString();
  const day = today ? {} : { day: "numeric", month: "short" };
  return at.toLocaleString(undefined, { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A duration in words: "8 s", "2 min 10 s", "3 h 5 min", "2 days". */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 48 * 3_600) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
  return `${Math.floor(s / 86_400)} days`;
}

/** Puts text into the element with an id, touching it only where it changes: readers announce what is touched. */
export function put(id, text) {
  const element = document.getElementById(id);
  if (element.textContent !== text) element.textContent = text;
}

/** A new element with classes and children (elements or text). */
export function make(tag, classes, ...children) {
  const element = document.createElement(tag);
  if (classes !== "") element.className = classes;
  element.append(...children);
  return element;
}

/** Calls `work` now and at most once in `pause_ms`, however often it is asked for; one at a time. */
export function throttled(work, pause_ms) {
  let busy = false;
  let again = false;
  return async function run() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      await work();
      await new Promise((resolve) => setTimeout(resolve, pause_ms));
    } while (again);
    busy = false;
  };
}

const PLACES = 4;

/** A decimal text ("-12.3") in ten-thousandths, exact. */
function parsed(amount) {
  const [, minus, whole, part] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount);
  const value = BigInt(whole + (part ?? "").padEnd(PLACES, "0").slice(0, PLACES));
  return minus === "-" ? -value : value;
}

function written(value) {
  const digits = String(value < 0n ? -value : value).padStart(PLACES + 1, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -PLACES)}.${digits.slice(-PLACES)}`;
}

/** The sum of amounts as the server writes them, exact. */
export function sum(amounts) {
  return written(amounts.map(parsed).reduce((total, amount) => total + amount, 0n));
}

/** `from` less `amount`, exact. */
export function difference(from, amount) {
  return written(parsed(from) - parsed(amount));
}
