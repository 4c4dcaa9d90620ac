// Short messages over the page: what happens goes by itself, how it ended stays.

import { fromTemplate, part } from "/dom.js";

const SHOWN_MS = 5_000;

/** In a crowd only the newest matter. */
const MOST = 3;

/** Say something in passing. */
export function toast(text) {
  const shown = part("toasts");
  while (shown.children.length >= MOST) shown.firstElementChild.remove();
  const added = add(shown, text);
  setTimeout(() => added.remove(), SHOWN_MS);
}

/** Say how it ended; it stays until it is dismissed, or something new begins. */
export function tellEnding(text) {
  clearEndings();
  const added = add(part("endings"), text);
  const dismiss = added.querySelector("button");
  dismiss.hidden = false;
  dismiss.onclick = () => {
    clearEndings();
    document.querySelector(".screen:not([hidden]) h1")?.focus();
  };
}

export const clearEndings = () => part("endings").replaceChildren();

export const clearToasts = () => part("toasts").replaceChildren();

function add(region, text) {
  const added = fromTemplate("toast");
  added.querySelector("span").textContent = text;
  region.append(added);
  return added;
}
