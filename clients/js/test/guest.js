// What the tests do with clients: note every event, wait for one, end them all.

import { LoudSyncClient } from "../loudsync.js";

const TYPES = [
  "statechange", "welcome", "members", "memberjoined", "memberleft",
  "kicked", "sessionclosed", "latency", "error",
];

/** A client whose events are kept: `await guest.next("members")` takes the next of a type. */
export class Guest extends LoudSyncClient {
  /** Every event so far, as [type, detail]. */
  events = [];
  #unread = new Map(TYPES.map((type) => [type, []]));
  #waiting = new Map();

  constructor(options) {
    super(options);
    for (const type of TYPES) {
      this.addEventListener(type, ({ detail }) => {
        this.events.push([type, detail]);
        const waiting = this.#waiting.get(type);
        this.#waiting.delete(type);
        if (waiting) waiting(detail);
        else this.#unread.get(type).push(detail);
      });
    }
  }

  async next(type, isWanted = () => true) {
    for (;;) {
      const unread = this.#unread.get(type);
      const detail = unread.length ? unread.shift() : await new Promise((resolve) => this.#waiting.set(type, resolve));
      if (isWanted(detail)) return detail;
    }
  }

  /** What is told from here on is what `next` takes. */
  forget(type) {
    this.#unread.get(type).length = 0;
  }

  get names() {
    return [...this.members.values()].map(({ name }) => name);
  }

  get states() {
    return this.events
      .filter(([type]) => type === "statechange")
      .map(([, { state, attempt }]) => (attempt ? `${state} ${attempt}` : state));
  }
}

/** Makes guests, and ends those of one test: `const guests = new Guests(t)`. */
export class Guests {
  #all = [];

  constructor(test, defaults) {
    this.defaults = defaults;
    test.after(() => this.#all.forEach((guest) => guest.leave()));
  }

  make(name, { device, ...options } = {}) {
    const guest = new Guest({ ...this.defaults, device: { name, ...device }, ...options });
    this.#all.push(guest);
    return guest;
  }

  async join(name, options) {
    const guest = this.make(name, options);
    await guest.connect();
    await guest.next("members");
    return guest;
  }
}
