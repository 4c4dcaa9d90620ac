"""What was measured: every run, and the medians over the rounds."""

import statistics
from dataclasses import dataclass

import msgspec

from bench.machine import Machine
from bench.workloads import LOAD_IS_BUSY, Figure

Figures = dict[str, float]
"""What the load printed, by its own names."""


@dataclass(frozen=True)
class Run:
    """One run: its figures, or why there are none."""

    round: int
    workload: str
    server: str
    figures: Figures
    failure: str | None = None


@dataclass(frozen=True)
class Results:
    """All of it, as ``--json`` writes it and ``--from`` reads it."""

    date: str
    rounds: int
    quick: bool
    machine: Machine
    versions: dict[str, str]
    runs: list[Run]

    def of(self, workload: str, server: str) -> list[Run]:
        """Return one workload's runs on one server."""
        return [
            run for run in self.runs if (run.workload, run.server) == (workload, server)
        ]

    def failures(self, server: str | None = None) -> list[Run]:
        """Return the runs that failed, of one server or of all."""
        return [
            run
            for run in self.runs
            if run.failure is not None and server in (None, run.server)
        ]

    def failed(self, workload: str, server: str) -> bool:
        """Tell whether any run of a workload on a server failed."""
        return any(run.failure is not None for run in self.of(workload, server))

    def medians(self, workload: str, server: str) -> Figures | None:
        """Return each figure's median; None where a run failed, or none was made."""
        runs = self.of(workload, server)
        if not runs or self.failed(workload, server):
            return None
        return {
            key: statistics.median(run.figures[key] for run in runs)
            for key in runs[0].figures
        }


def held_back(medians: Figures, figure: Figure) -> bool:
    """Tell whether the load, not the server, may have set a figure."""
    return figure.by_clock and medians.get("load_busy", 0) > LOAD_IS_BUSY


def read(text: bytes) -> Results:
    """Read what ``--json`` wrote."""
    return msgspec.json.decode(text, type=Results)
