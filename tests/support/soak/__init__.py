"""A crowd that comes and goes at random, and a count of what it leaves behind.

From the outside in: ``run`` is the whole; ``crowd`` draws who does what;
``acts`` is what there is to do; ``guest``, ``real_client`` and ``place`` do it;
``book`` is the referee; ``views`` and ``census`` compare; ``report`` tells.

Servers and crowd share one process, so that tasks, timers and objects can be
counted, those of the Python client too. Descriptors and memory are those of
both sides then; both must be back where they were.
"""
