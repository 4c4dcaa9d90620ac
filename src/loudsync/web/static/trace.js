// A small live trace of a latency: the last values, the newest at the right.

const WIDTH = 64;
const HEIGHT = 20;
const VALUES = 24;

/** Milliseconds at the top of the trace, unless a value is higher. */
const LEAST_SCALE = 40;

export class Trace {
  #line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  #values = [];

  constructor(svg) {
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.replaceChildren(this.#line);
  }

  add(ms) {
    this.#values = [...this.#values, ms].slice(-VALUES);
    const scale = Math.max(LEAST_SCALE, ...this.#values);
    const step = WIDTH / (VALUES - 1);
    const first = VALUES - this.#values.length;
    const points = this.#values.map((value, index) => [
      ((first + index) * step).toFixed(1),
      (HEIGHT - 2 - (value / scale) * (HEIGHT - 4)).toFixed(1),
    ]);
    // One value is a point; a line shows it only with a second.
    if (points.length === 1) points.unshift([WIDTH - step, points[0][1]]);
    this.#line.setAttribute("points", points.join(" "));
  }
}
