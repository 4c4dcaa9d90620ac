"""Drills: node processes and NATS servers fail while people join.

``drill`` says what can befall a cluster, ``crowd`` is who comes to it, ``ledger``
writes down what each was told, ``audit`` finds what none may have been told. The
tests of ``tests/cluster`` run each drill once; ``make drills`` many times.
"""
