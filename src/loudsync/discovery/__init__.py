"""How a party is found."""

from loudsync.discovery.qr import qr_svg

__all__ = ["qr_svg"]
