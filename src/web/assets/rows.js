// A list that grows at its top while somebody may be reading it.

/** Rows by key, newest first. A row is made once; afterwards only what `mark` changes in it changes. */
export class Rows {
  #rows = new Map();
  #held = false;
  #entries = [];

  /**
   * `list` and `none` (shown while there is nothing) are elements, `hold` a button that keeps the list still. `make`
   * makes an entry's element; `mark(element, entry)` is called for every row on each showing.
   */
  constructor({ list, none, hold, rows_max, make, mark }) {
    Object.assign(this, { list, none, rows_max, make, mark });
    hold?.addEventListener("click", () => {
      this.#held = !this.#held;
      hold.setAttribute("aria-pressed", String(this.#held));
      this.show(this.#entries);
    });
  }

  /** Shows entries, newest first, each with a `key` of its own. */
  show(entries) {
    this.#entries = entries;
    this.none.hidden = entries.length > 0;
    if (!this.#held) this.#place(entries.slice(0, this.rows_max));
    for (const [key, element] of this.#rows) {
      const entry = entries.find((entry) => entry.key === key);
      if (entry !== undefined) this.mark?.(element, entry);
    }
  }

  #place(entries) {
    const wanted = new Set(entries.map((entry) => entry.key));
    for (const [key, element] of this.#rows) {
      if (wanted.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    const first = this.#rows.size === 0;
    entries.forEach((entry, place) => {
      let element = this.#rows.get(entry.key);
      if (element === undefined) {
        element = this.make(entry);
        if (!first) element.classList.add("new");
        this.#rows.set(entry.key, element);
      }
      const there = this.list.children[place];
      if (there !== element) this.list.insertBefore(element, there ?? null);
    });
  }
}
