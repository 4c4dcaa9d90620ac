"""The picture of the README: what one core can do, as an SVG.

What a server does in a second of its own CPU time, so that the load does not
matter. The picture has its own background, for light and dark pages alike.
"""

from dataclasses import dataclass
from html import escape
from typing import Final

from bench.report import three_digits
from bench.results import Results
from bench.servers import OURS, SERVERS


@dataclass(frozen=True)
class Panel:
    """A column of bars, one for each server."""

    workload: str
    title: str
    note: str


PANELS: Final = (
    Panel("storm", "Joins per second", "in parties of 10, everybody told"),
    Panel("ping-1", "Pongs per second", "one ping at a time each"),
    Panel("steady", "Members kept alive", "heartbeat and ping every 5 s"),
)

MARGIN: Final = 24
NAMES: Final = 100  # the column of the servers' names
PANEL: Final = 236
BAR_MOST: Final = 150  # the longest bar; its number stands behind it
GAP: Final = 20
HEAD: Final = 126
ROW: Final = 30
BAR: Final = 16
FOOT: Final = 50

STYLE: Final = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .head { font-weight: 600; }
  .quiet { font-size: 12px; fill: #59636e; }
  .ours { font-weight: 600; }
  .card { fill: #ffffff; stroke: #d1d9e0; }
  .bar { fill: #b6bfc9; }
  .bar.ours { fill: #0969da; }
  .bar.limit { fill: none; stroke: #8c959f; stroke-dasharray: 3 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .card { fill: #0d1117; stroke: #3d444d; }
    .bar { fill: #4a535e; }
    .bar.ours { fill: #4493f8; }
    .bar.limit { stroke: #9198a1; }
  }
"""


def draw(results: Results) -> str:
    """Return the SVG; servers and panels without figures are left out."""
    panels = {
        panel: {
            key: 1e6 / medians["cpu_us"]
            for key in SERVERS
            if (medians := results.medians(panel.workload, key))
        }
        for panel in PANELS
    }
    keys = [key for key in SERVERS if any(key in per_s for per_s in panels.values())]
    width = 2 * MARGIN + NAMES + len(PANELS) * PANEL + (len(PANELS) - 1) * GAP
    height = HEAD + len(keys) * ROW + FOOT
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    label = f'role="img" aria-label="{_label(panels)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>',
        f"<style>{STYLE}</style>",
        _box("card", 0.5, 0.5, width - 1, height - 1, 8),
        _text(MARGIN, 40, "What one core can do in a second", "title"),
        _text(
            MARGIN,
            60,
            "from CPU time, the kernel's part included; longer is better",
            "quiet",
        ),
        *(
            _text(MARGIN, _middle(row), SERVERS[key].name, _class(key))
            for row, key in enumerate(keys)
        ),
    ]
    for column, (panel, per_s) in enumerate(panels.items()):
        parts += _panel(MARGIN + NAMES + column * (PANEL + GAP), panel, per_s, keys)
    machine = results.machine
    foot = f"{machine.cpu}, {machine.kernel.partition('-')[0]}, {results.date[:10]}"
    note = "C limit: a bare epoll loop in C that validates nothing."
    parts.append(_text(MARGIN, height - 20, f"{note} {foot}", "quiet"))
    return "\n".join([*parts, "</svg>", ""])


def _panel(x: int, panel: Panel, per_s: dict[str, float], keys: list[str]) -> list[str]:
    parts = [
        _text(x, HEAD - 38, panel.title, "head"),
        _text(x, HEAD - 20, panel.note, "quiet"),
    ]
    most = max(per_s.values(), default=1)
    for row, key in enumerate(keys):
        if key not in per_s:
            continue
        length = max(1.0, BAR_MOST * per_s[key] / most)
        y = HEAD + row * ROW + (ROW - BAR) / 2
        parts += [
            _box(f"bar {_class(key)}", x, y, length, BAR, 2),
            _text(x + length + 8, _middle(row), three_digits(per_s[key]), _class(key)),
        ]
    return parts


def _middle(row: int) -> float:
    """Where the text of a row stands: its baseline."""
    return HEAD + row * ROW + ROW / 2 + 4.5


def _class(key: str) -> str:
    return {OURS: "ours", "limit": "limit"}.get(key, "")


def _box(
    kind: str, x: float, y: float, width: float, height: float, round_: int
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place} rx="{round_}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _label(panels: dict[Panel, dict[str, float]]) -> str:
    """The picture in words, for who can't see it."""
    said = [
        f"{panel.title}: "
        + ", ".join(f"{SERVERS[k].name} {three_digits(v)}" for k, v in per_s.items())
        for panel, per_s in panels.items()
    ]
    return escape(f"What one core can do in a second. {'. '.join(said)}.")
