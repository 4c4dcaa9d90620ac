"""Hypothesis on a busy machine: no stopwatch, and a failure can be replayed."""

from hypothesis import settings

settings.register_profile("loudsync", deadline=None, print_blob=True)
settings.load_profile("loudsync")
