// The few things that every part of the page does to the document.

export const part = (id) => document.getElementById(id);

export const fromTemplate = (id) => part(id).content.cloneNode(true).firstElementChild;

/** Fill in texts as text, never as HTML: names are what strangers typed. */
export function fill(element, texts) {
  for (const [selector, text] of Object.entries(texts)) {
    const found = element.querySelector(selector);
    // Only a change: a screen reader would read the same again.
    if (found.textContent !== text) found.textContent = text;
  }
}

/** Take a row away; if it had the focus, that goes to the heading and is not lost. */
export function removeRow(row, heading) {
  const hadFocus = row.contains(document.activeElement);
  row.remove();
  if (hadFocus) heading.focus();
}

/** Show one screen instead of all others, from its top, with the focus on its heading. */
export function showScreen(id, title) {
  for (const screen of document.querySelectorAll(".screen")) screen.hidden = screen.id !== id;
  document.title = title ? `${title} · LoudSync` : "LoudSync";
  scrollTo(0, 0);
  part(id).querySelector("h1").focus();
}

export const isShown = (id) => !part(id).hidden;

/** Say what is wrong with a field, and go there; without a text it is right again. */
export function showFault(errorId, text = "", field = null) {
  part(errorId).textContent = text;
  for (const input of document.querySelectorAll(`[aria-describedby="${errorId}"]`)) {
    input.toggleAttribute("aria-invalid", input === field && text !== "");
  }
  if (text) field?.focus();
}
