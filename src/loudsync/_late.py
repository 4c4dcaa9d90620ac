"""Public names that are loaded when they are first used (PEP 562).

A program that hosts needs no client and one that joins no server, and each
takes megabytes and a tenth of a second.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def late_names(
    package: str, homes: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and the ``__dir__`` of a package.

    The package imports the same names under ``TYPE_CHECKING``, for who reads
    its code without running it.

    Args:
        homes: The modules that the names come from, and which do. A module
            that is the package's own is one of its attributes, too.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def load(name: str) -> Any:
        own_module = f"{package}.{name}"
        if name in home_of:
            value = getattr(importlib.import_module(home_of[name]), name)
        elif own_module in homes:
            value = importlib.import_module(own_module)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return load, names
