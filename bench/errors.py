"""What can go wrong, in one place."""


class BenchError(Exception):
    """The benchmark can't go on; the text says why, and what to do."""


class RunFailed(Exception):
    """One run of one workload failed; the others can go on."""
