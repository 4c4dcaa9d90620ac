"""LoudSync beside other servers, on this machine: ``python -m bench``.

Imports point down: __main__ → run, report, picture → servers, workloads → build.
"""
