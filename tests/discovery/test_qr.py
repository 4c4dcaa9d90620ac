"""QR codes of join links, without a server. What they say is scanned in tests/web."""

from xml.etree import ElementTree as ET

import pytest

from loudsync.discovery import qr_svg
from loudsync.discovery.qr import qr_half_blocks
from qr_lines import scan_lines

LINK = "http://192.168.1.5:8080/?session=k7m2xp"

SVG = "{http://www.w3.org/2000/svg}"


def test_it_is_an_svg_that_fits_anywhere() -> None:
    root = ET.fromstring(qr_svg(LINK, "Join Friday Party"))
    assert root.tag == f"{SVG}svg"
    assert root.get("width") is None
    left, top, width, height = map(int, (root.get("viewBox") or "").split())
    assert (left, top) == (0, 0)
    assert width == height
    assert root.findtext(f"{SVG}title") == "Join Friday Party"
    assert root.findtext(f"{SVG}desc") == LINK


def test_it_is_dark_on_white_whatever_is_around_it() -> None:
    svg = qr_svg(LINK, "").decode()
    assert 'fill="#fff"' in svg
    assert 'stroke="#000"' in svg
    assert "style" not in svg


def test_names_are_text() -> None:
    svg = qr_svg(LINK, '<script>alert(1)</script>&"').decode()
    assert "<script>" not in svg
    root = ET.fromstring(svg)
    assert root.findtext(f"{SVG}title") == '<script>alert(1)</script>&"'


def test_a_link_too_long_is_an_error() -> None:
    qr_svg("x" * 2331, "")
    with pytest.raises(ValueError, match="too large"):
        qr_svg("x" * 2332, "")


@pytest.mark.parametrize("border", [2, 4])
@pytest.mark.parametrize("link", [LINK, f"{LINK}&{'x' * 40}"])
def test_half_blocks_are_scanned(link: str, border: int) -> None:
    lines = qr_half_blocks(link, border)
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == (len(lines[0]) + 1) // 2
    assert set("".join(lines)) == set(" ▀▄█")
    # On a screen that is dark all around.
    width = len(lines[0]) + 4
    screen = ["", *(f"  {line}" for line in lines), ""]
    assert scan_lines([line.ljust(width) for line in screen]) == link


def test_light_is_drawn_and_around_it() -> None:
    lines = qr_half_blocks(LINK)
    assert set(lines[0]) == {"█"}
    assert {line[:2] + line[-2:] for line in lines} == {"████"}
    assert len(lines[0]) == 33


def test_a_link_too_long_for_half_blocks_is_an_error() -> None:
    qr_half_blocks("x" * 2953)
    with pytest.raises(ValueError, match="too large"):
        qr_half_blocks("x" * 2954)
