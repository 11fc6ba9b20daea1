// Server-sent events over `fetch`, because `EventSource` cannot send the token.

import { request } from "./session.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
// The server writes a comment every 15 s where nothing happens. A connection on which even that stays away is dead, as
// after a laptop slept, though nobody said so.
const SILENCE_MAX_MS = 45_000;

/**
 * Follows the events at `path` for as long as the page lives.
 *
 * `on.event(name, data)` is called for every event, `on.open()` for every connection (whoever listens then reads afresh,
 * because events may have been missed) and `on.lost()` when one ends.
 */
export async function follow(path, on) {
  let wait = FIRST_WAIT_MS;
  for (;;) {
    try {
      const silence = new Silence();
      const response = await request(path, { headers: { Accept: "text/event-stream" }, signal: silence.signal });
      wait = FIRST_WAIT_MS;
      on.open();
      await eachEvent(response.body, silence, on.event);
    } catch {
      // The reason is the same for a person whatever it was: nothing comes. `on.lost` says so.
    }
    on.lost();
    // Spread out, so that a restarted process is not asked by every screen of the store at once.
    await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

/** Ends a connection on which nothing comes. */
class Silence {
  #controller = new AbortController();
  #timer = null;

  constructor() {
    this.broken();
  }

  get signal() {
    return this.#controller.signal;
  }

  broken() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), SILENCE_MAX_MS);
  }
}

async function eachEvent(body, silence, call) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    silence.broken();
    if (done) return;
    text += value;
    const events = text.split(/\r?\n\r?\n/);
    text = events.pop();
    for (const event of events) deliver(event, call);
  }
}

function deliver(event, call) {
  let name = "message";
  const data = [];
  for (const line of event.split(/\r?\n/)) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
  if (data.length === 0) return;
  try {
    call(name, JSON.parse(data.join("\n")));
  } catch (error) {
    // One bad event does not end the rest.
    console.error("event passed over", name, error);
  }
}
