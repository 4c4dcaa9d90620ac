// What the browser remembers, where it lets us.

function openStorage(kind) {
  try {
    window[kind].setItem("loudsync", "");
    window[kind].removeItem("loudsync");
    return window[kind];
  } catch {
    // Forbidden: remember for as long as the page lives.
    const memory = new Map();
    return {
      getItem: (key) => memory.get(key) ?? null,
      setItem: (key, value) => memory.set(key, value),
      removeItem: (key) => memory.delete(key),
    };
  }
}

const lasting = openStorage("localStorage");
const ofThisTab = openStorage("sessionStorage");

const NAME = "loudsync.name";
const SEAT = "loudsync.seat";

/** Your name, for the next party too. */
export const rememberedName = () => lasting.getItem(NAME) ?? "";

export const rememberName = (name) => lasting.setItem(NAME, name);

/** Where this tab sits, for after a reload: `{ code, name, token? }`, or null. */
export function rememberedSeat() {
  try {
    return JSON.parse(ofThisTab.getItem(SEAT));
  } catch {
    return null;
  }
}

export const rememberSeat = (seat) => ofThisTab.setItem(SEAT, JSON.stringify(seat));

export const forgetSeat = () => ofThisTab.removeItem(SEAT);
