"""Which pages may use the server: the Origin header, sent by browsers only."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from loudsync.errors import InvalidSetting

_ORIGIN: Final = re.compile(r"(null|https?://[^/?#@\s]+)")

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class OriginRule:
    """Lets pages in from everywhere, or from the named origins and our own.

    Programs that are no browsers send no origin, and are not held to this.

    Args:
        allowed: Origins such as ``https://app.example.org``; none: everywhere.
        public_url: Where guests reach the server; a page from there is ours.

    Raises:
        InvalidSetting: One of them is not an origin.
    """

    def __init__(self, allowed: Iterable[str], public_url: str = "") -> None:
        self._allowed = {_normal(origin) for origin in allowed}
        for origin in self._allowed:
            if not _ORIGIN.fullmatch(origin):
                raise InvalidSetting(
                    "allowed_origins", "must be like https://app.example.org"
                )
        self._restricts = bool(self._allowed)
        if public_url:
            self._allowed.add(_normal(public_url))

    def lets_in(self, origin: str, host: str) -> bool:
        """Tell whether a page from ``origin`` may ask ``host`` for something.

        Args:
            origin: The request's Origin header; empty where there was none.
            host: The request's Host header.
        """
        if not self._restricts or not origin:
            return True
        origin = _normal(origin)
        if origin in self._allowed:
            return True
        # Our own page, as guests open it in a local network. Only where the
        # address is a number: a foreign name may have been made to lead here.
        _, _, place = origin.partition("://")
        return place == host.lower() and _is_numeric(place)


def _normal(origin: str) -> str:
    origin = origin.lower().rstrip("/")
    scheme = origin.partition(":")[0]
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, "/"))


def _is_numeric(place: str) -> bool:
    host = re.sub(r":[0-9]+$", "", place).strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
