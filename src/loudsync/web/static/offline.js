// The page's service worker. The server always comes first; what it sent last is
// for when it is gone, so that the page can say so.

const CACHE = "loudsync-page";

/** A server that takes longer is as good as gone. */
const PATIENCE_MS = 4_000;

const FILES = [
  "/",
  "/dialogs.js",
  "/discover.js",
  "/dom.js",
  "/icon.svg",
  "/invite.js",
  "/join.js",
  "/loudsync.js",
  "/members.js",
  "/memory.js",
  "/page.css",
  "/page.js",
  "/room.js",
  "/server.js",
  "/start.js",
  "/toasts.js",
  "/trace.js",
  "/words.js",
];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin || !FILES.includes(url.pathname)) return;
  event.respondWith(fetchOrRemember(request, url.pathname));
});

async function fetchOrRemember(request, path) {
  const cache = await caches.open(CACHE);
  const fetched = fetch(request).then(async (response) => {
    if (response.ok) await cache.put(path, response.clone());
    return response;
  });
  // One file of the page for every party: what follows "?" is for page.js.
  const remembered = () => cache.match(path).then((response) => response ?? fetched);
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS)).then(remembered);
  return Promise.race([fetched.catch(remembered), late]);
}
