"""What the cluster's benchmark found, as tables: medians over rounds, with the spread."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from bench.cluster_failover import Failovers
from bench.cluster_places import NATS
from bench.machine import Machine
from bench.report import text, three_digits
from bench.results import Figures
from bench.workloads import LOAD_IS_BUSY

WORKERS: Final = "workers"
FOREIGN: Final = "foreign"
EVENTS: Final = "events"
FAILOVER: Final = "failover"

ALONE: Final = "alone"
OWN: Final = "own"
STATE: Final = "state"
EDGE: Final = "edge"

NAMES: Final = {
    WORKERS: {
        ALONE: "one server, no NATS",
        "node": "one node on NATS",
        "workers-2": "`--workers 2`",
        "workers-4": "`--workers 4`",
    },
    FOREIGN: {
        ALONE: "one server, no NATS",
        STATE: "one server with `--state`",
        OWN: "two nodes, through the owner",
        EDGE: "two nodes, through the other",
    },
    EVENTS: {
        "room-alone": "one session, one server without NATS",
        "room-edge": "one session, through an edge",
        "rooms-alone": "sessions of ten, one server without NATS",
        "rooms-edge": "sessions of ten, through an edge",
    },
}
"""What people read, by part and variant, in the order of the tables."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        storm, steady: Members of these workloads.
        steady_s: How long the latter send heartbeats, in the first round. Each
            member's round trip is measured every 15 to 20 s, and told to the owner:
            in less time that would not be seen.
        singles: Members that join one after the other.
        listeners: Members that events are told to, for ``events_s``.
    """

    storm: int = 3000
    steady: int = 1000
    steady_s: int = 20
    idle_s: float = 1.0
    singles: int = 300
    listeners: int = 200
    events_s: float = 2.0
    kills: int = 20
    sessions: int = 100
    joins_per_s: float = 900


QUICK: Final = Sizes(
    storm=300,
    steady=100,
    steady_s=1,
    idle_s=0.2,
    singles=30,
    listeners=50,
    events_s=0.5,
    kills=2,
    sessions=20,
    joins_per_s=200,
)
"""Whether it works, not how fast."""


@dataclass
class ClusterResults:
    """All of it, as ``--json`` writes it and ``--from`` reads it.

    Attributes:
        runs: By part and variant, the figures of each round.
        failures: What could not be measured, in words.
    """

    date: str
    rounds: int
    sizes: Sizes
    machine: Machine
    versions: str
    runs: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    failovers: Failovers | None = None
    failures: list[str] = field(default_factory=list)

    def add(self, part: str, variant: str, figures: Figures) -> None:
        """Keep one run."""
        self.runs.setdefault(part, {}).setdefault(variant, []).append(figures)

    def of(self, part: str, variant: str, key: str) -> list[float]:
        """Return a figure of each round in which it was measured."""
        runs = self.runs.get(part, {}).get(variant, [])
        return [run[key] for run in runs if key in run]

    def ratios(self, part: str, variant: str, base: str, key: str) -> list[float]:
        """Return by how much a figure is larger than another variant's, each round.

        Two runs of one round were made soon after each other: what the machine did
        besides came over both.
        """
        pairs = zip(self.of(part, variant, key), self.of(part, base, key), strict=False)
        return [one / other for one, other in pairs if other]


def read(content: bytes) -> ClusterResults:
    """Read what ``--json`` wrote."""
    return msgspec.json.decode(content, type=ClusterResults)


def cell(values: Sequence[float], unit: float = 1) -> str:
    """Return the median, and in brackets the least and the most of several."""
    if not values:
        return ""
    middle = three_digits(statistics.median(values) / unit)
    low, high = three_digits(min(values) / unit), three_digits(max(values) / unit)
    return middle if low == high else f"{middle} ({low} to {high})"


def percentile(values: Sequence[float], part: float) -> float:
    """Return the least value that this part of all doesn't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


# --- The tables --------------------------------------------------------------

Column = tuple[str, Callable[[ClusterResults, str, str], list[float]], float]
"""Its head, its values of a part's variant, and what they are divided by."""


def _figure(head: str, key: str, unit: float = 1) -> Column:
    return head, lambda results, part, variant: results.of(part, variant, key), unit


def _times(head: str, base: str, key: str, only: str = "") -> Column:
    def values(results: ClusterResults, part: str, variant: str) -> list[float]:
        is_compared = variant == only if only else variant != base
        return results.ratios(part, variant, base, key) if is_compared else []

    return head, values, 1


def _per_core(head: str, keys: Sequence[str]) -> Column:
    """Of the first figure that a variant has: how much a core does in a second."""

    def values(results: ClusterResults, part: str, variant: str) -> list[float]:
        runs = results.runs.get(part, {}).get(variant, [])
        return [1e6 / next(run[key] for key in keys if run.get(key)) for run in runs]

    return head, values, 1


_PERCENT: Final = 0.01
_MS: Final = 0.001

COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    WORKERS: (
        _figure("joins/s ↑", "per_s"),
        _figure("CPU µs per join ↓", "cpu_us"),
        _times("times alone", ALONE, "cpu_us"),
        _figure("of it nats-server", f"cpu_us {NATS}"),
        _figure("at rest, % of a core ↓", "idle_cores", _PERCENT),
        _figure("kept alive, % of a core ↓", "cores", _PERCENT),
        _times("times alone", ALONE, "cores"),
    ),
    FOREIGN: (
        _figure("p50 ms ↓", "single_p50_s", _MS),
        _figure("p99 ms ↓", "single_p99_s", _MS),
        _figure("joins/s ↑", "per_s"),
        _figure("CPU µs per join ↓", "cpu_us"),
        _times("times alone", ALONE, "cpu_us"),
        _times("times own", OWN, "cpu_us", only=EDGE),
    ),
    EVENTS: (
        _figure("frames/s ↑", "per_s"),
        _figure("CPU µs per frame ↓", "cpu_us"),
        _figure("of it the owner", "cpu_us owner"),
        _figure("the edge", "cpu_us edge"),
        _figure("nats-server", f"cpu_us {NATS}"),
        _per_core("frames/s a core writes", ("cpu_us edge", "cpu_us owner")),
    ),
}


def rows(results: ClusterResults, part: str) -> list[list[str]]:
    """Return a part as a table: a row for each variant that was measured."""
    found = [["", *(head for head, _, _ in COLUMNS[part])]]
    for variant, name in NAMES[part].items():
        if variant not in results.runs.get(part, {}):
            continue
        cells = [
            cell(values(results, part, variant), unit)
            for _, values, unit in COLUMNS[part]
        ]
        if is_held_back(results, part, variant):
            at = found[0].index(next(head for head in found[0] if "/s ↑" in head)) - 1
            cells[at] = f"≥ {cells[at]}"
        found.append([name, *cells])
    return found


def is_held_back(results: ClusterResults, part: str, variant: str) -> bool:
    """Tell whether the load, not the servers, may have set what was done a second."""
    busy = results.of(part, variant, "load_busy")
    return bool(busy) and statistics.median(busy) > LOAD_IS_BUSY


def failover_rows(found: Failovers) -> list[list[str]]:
    """Return the failovers as a table of one row."""
    all_s = [took_s for kill in found.took_s for took_s in kill]
    spread = [f"{value:.2f}" for value in _spread(all_s)]
    worst = statistics.median(max(kill) for kill in found.took_s)
    return [
        [
            *("kills", "joins/s before", "min s", "median s", "p95 s", "max s"),
            *("the last session of a kill, median s", "welcomed", "lost"),
        ],
        [
            *(str(len(found.took_s)), cell(found.welcomed_per_s), *spread),
            *(f"{worst:.2f}", f"{found.welcomed:,}", str(len(found.lost))),
        ],
    ]


def _spread(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Return minimum, median, 95th percentile and maximum."""
    return (
        min(values),
        statistics.median(values),
        percentile(values, 0.95),
        max(values),
    )


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table; all but the first column to the right."""
    head, *body = table
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


# --- The pages ---------------------------------------------------------------


def titles(results: ClusterResults) -> dict[str, str]:
    """Return what each table shows."""
    sizes = results.sizes
    return {
        WORKERS: (
            f"{sizes.storm:,} join, 256 at a time, in parties of 10. Once, for "
            f"{sizes.steady_s} s, {sizes.steady:,} members are kept alive, with a "
            "heartbeat and a ping every 5 s. With several workers, most members hang "
            "on another one than their party's:"
        ),
        FOREIGN: (
            f"{sizes.singles:,} join one after the other (JOIN to WELCOME); then "
            f"{sizes.storm:,}, 256 at a time:"
        ),
        EVENTS: (
            f"{sizes.listeners:,} members hear of everybody who comes and goes at "
            "the owner:"
        ),
        FAILOVER: (
            f"The owner of {sizes.sessions:,} sessions is killed (SIGKILL) while "
            f"{sizes.joins_per_s:,.0f} joins a second are offered at the other two "
            "nodes; for each session, the time from the kill to the first WELCOME "
            "for a JOIN that was sent after it:"
        ),
    }


def _tables(results: ClusterResults) -> list[tuple[str, list[list[str]]]]:
    said = titles(results)
    found = [
        (said[part], rows(results, part)) for part in NAMES if part in results.runs
    ]
    if results.failovers is not None:
        found.append((said[FAILOVER], failover_rows(results.failovers)))
    return found


def notes(results: ClusterResults) -> str:
    """Say what the figures depend on."""
    machine = results.machine
    rounds = (
        "1 round"
        if results.rounds == 1
        else f"medians of {results.rounds} rounds, in brackets the least and the most"
    )
    return (
        f"{results.date[:10]}, {machine.cpu}, {machine.cores} cores, {machine.kernel}, "
        f"Python {machine.python}; {rounds}. The load, the nats-server and all nodes "
        f"share these {machine.cores} cores: more workers than that can't be faster "
        "here, and what counts is the CPU time, that of all processes together, nodes "
        "and nats-server, the kernel's part included. Ratios are of runs in one round. "
        "≥: the load was busier than 90 %, and may be what held the figure back. "
        f"{results.versions}."
    )


def shown(results: ClusterResults) -> str:
    """Return everything for a terminal."""
    parts = [f"{title}\n\n{text(table)}" for title, table in _tables(results)]
    return "\n\n".join([*parts, notes(results)])


def document(results: ClusterResults) -> dict[str, str]:
    """Return what stands between a page's markers, by marker."""
    parts = [f"{title}\n\n{markdown(table)}" for title, table in _tables(results)]
    found = {
        "bench-cluster": "\n\n".join([*parts, notes(results)]),
        "bench-cluster-costs": markdown(cost_rows(results)),
    }
    if results.failovers is not None:
        table = markdown(failover_rows(results.failovers))
        found["bench-cluster-failover"] = f"{titles(results)[FAILOVER]}\n\n{table}"
    return found


def cost_rows(results: ClusterResults) -> list[list[str]]:
    """Return the few figures that an operator plans with."""
    found = [["", "Measured"]]

    def add(what: str, values: Sequence[float], unit: float, shape: str) -> None:
        if values:
            found.append([what, shape.format(three_digits(_median(values) / unit))])

    def p50_ms(variant: str) -> str:
        return three_digits(_median(results.of(FOREIGN, variant, "single_p50_s")) / _MS)

    if {STATE, OWN, EDGE} <= results.runs.get(FOREIGN, {}).keys():
        told = f"{p50_ms(EDGE)} ms; at the owner {p50_ms(OWN)} ms, "
        told += f"without NATS and with `--state` {p50_ms(STATE)} ms"
        found.append(["A join at another node than the owner, p50", told])
    add(
        "Its CPU time, over all processes",
        results.ratios(FOREIGN, EDGE, OWN, "cpu_us"),
        1,
        "{} times that of a join at the owner",
    )
    add(
        "Its CPU time, beside a server without NATS",
        results.ratios(FOREIGN, EDGE, ALONE, "cpu_us"),
        1,
        "{} times",
    )
    add(
        "An edge writes, of the words of one large session",
        [1e6 / us for us in results.of(EVENTS, "room-edge", "cpu_us edge")],
        1,
        "{} frames a second with one core",
    )
    add(
        "The same of sessions of ten",
        [1e6 / us for us in results.of(EVENTS, "rooms-edge", "cpu_us edge")],
        1,
        "{} frames a second with one core",
    )
    add(
        "A node and a nats-server at rest",
        results.of(WORKERS, "node", "idle_cores"),
        _PERCENT,
        "{} % of a core",
    )
    return found


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)
