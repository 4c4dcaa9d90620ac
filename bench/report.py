"""The results as Markdown and JSON, and their place in a document."""

import dataclasses
from typing import Final

import msgspec

from bench.errors import BenchError
from bench.results import Figures, Results, held_back
from bench.servers import OURS, SERVERS
from bench.targets import judge, target_rows
from bench.workloads import WORKLOADS, Figure

ARROWS: Final = {"higher": "↑", "lower": "↓"}


def table(results: Results) -> str:
    """Return the figures: a row for each, a column for each server."""
    servers = [server for key, server in SERVERS.items() if key in results.versions]
    rows = [["Workload", "", *(server.name for server in servers)]]
    measured = {run.workload for run in results.runs}
    for name, workload in WORKLOADS.items():
        title = f"{name} (quick)" if results.quick else workload.title
        for figure in workload.figures if name in measured else ():
            cells = [_cell(results, name, server.key, figure) for server in servers]
            rows.append([title, f"{figure.label} {ARROWS[figure.better]}", *cells])
            title = ""  # once, on its first row
    return markdown(rows)


def _cell(results: Results, workload: str, server: str, figure: Figure) -> str:
    if results.failed(workload, server):
        return "failed"
    medians = results.medians(workload, server)
    return "" if medians is None else shown(medians, figure)


def shown(medians: Figures, figure: Figure) -> str:
    """Return one figure as people read it, marked where the load held it back."""
    mark = {"higher": "≥ ", "lower": "≤ "}[figure.better]
    value = three_digits(medians[figure.key] / figure.per)
    return mark + value if held_back(medians, figure) else value


def three_digits(value: float) -> str:
    """Round to three significant digits: 12,300; 45.6; 0.789."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    decimals = next((n for n in (0, 1, 2) if abs(rounded) >= 10 ** (2 - n)), 3)
    return f"{rounded:,.{decimals}f}"


def markdown(rows: list[list[str]]) -> str:
    """Return rows as a Markdown table, the columns of numbers to the right."""
    head, *body = rows
    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def text(rows: list[list[str]]) -> str:
    """Return rows as a table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(map(str.ljust, row, widths)).rstrip()  # one line a row
        for row in rows
    )


def notes(results: Results) -> str:
    """Say what the figures depend on."""
    machine = results.machine
    versions = "; ".join(
        f"{SERVERS[key].name}: {version}" for key, version in results.versions.items()
    )
    rounds = "1 round" if results.rounds == 1 else f"{results.rounds} rounds, medians"
    return (
        f"{results.date[:10]}, {machine.cpu}, {machine.cores} cores, {machine.kernel}, "
        f"Python {machine.python}; {rounds}. Each server has one core, the load "
        "another. CPU time is the server's, the kernel's part included. ↑: more is "
        "better, ↓: less is. ≥ and ≤: the load was busier than 90 %, and may be what "
        f"held the figure back. {versions}."
    )


def document(results: Results) -> dict[str, str]:
    """Return what stands between a document's markers, by marker."""
    return {
        "bench": f"{table(results)}\n\n{notes(results)}",
        "bench-targets": markdown(target_rows(judge(results))),
    }


def rewrite(page: str, parts: dict[str, str]) -> str:
    """Return a Markdown page with new text between its markers.

    The text of part ``bench`` stands between ``<!-- bench -->`` and
    ``<!-- /bench -->``. Parts that the page has no markers for are left out.

    Raises:
        BenchError: The page has markers of no part, or half a pair of them.
    """
    rewritten = 0
    for name, part in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if start not in page and end not in page:
            continue
        before, found_start, rest = page.partition(start)
        _, found_end, after = rest.partition(end)
        if not (found_start and found_end):
            raise BenchError(f"{start} and {end} do not stand in this order")
        page = f"{before}{start}\n\n{part}\n\n{end}{after}"
        rewritten += 1
    if not rewritten:
        raise BenchError(f"no <!-- {' --> or <!-- '.join(parts)} --> on the page")
    return page


def as_json(results: Results) -> bytes:
    """Return everything: the machine, all runs, the medians, the targets."""
    pairs = sorted({(run.workload, run.server) for run in results.runs})
    medians: dict[str, dict[str, Figures | None]] = {}
    for workload, server in pairs:
        medians.setdefault(workload, {})[server] = results.medians(workload, server)
    targets = [
        dataclasses.asdict(verdict.target)
        | {"measured": verdict.measured, "sign": verdict.sign, "met": verdict.met}
        for verdict in judge(results)
    ]
    everything = dataclasses.asdict(results) | {"medians": medians, "targets": targets}
    return msgspec.json.format(msgspec.json.encode(everything), indent=2) + b"\n"


def failures(results: Results) -> list[str]:
    """Return a line for each run that failed, LoudSync's first."""
    failed = sorted(results.failures(), key=lambda run: run.server != OURS)
    return [
        f"failed: {run.workload} on {SERVERS[run.server].name}: {run.failure}"
        for run in failed
    ]
