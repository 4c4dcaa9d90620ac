"""Reads QR codes from half blocks, as a camera reads the terminal."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.cells import cell_len

from qr_scan import JSQR

SCALE = 4
"""Pixels a module: jsQR wants some."""

_LIGHT = {" ": (0, 0), "▀": (255, 0), "▄": (0, 255), "█": (255, 255)}

_DECODE = """
const [width, height, rows] = JSON.parse(require("fs").readFileSync(0));
const data = new Uint8ClampedArray(width * height * 4).fill(255);
rows.join("").split("").forEach((pixel, at) => {
  data.fill(pixel === "1" ? 255 : 0, at * 4, at * 4 + 3);
});
console.log(require(process.argv[1])(data, width, height)?.data ?? "");
"""


def scan_lines(lines: Iterable[str]) -> str:
    """Return what the QR code in these lines says; empty where there is none.

    Everything but half blocks is dark, as it nearly is on the screen.
    """
    rows = []
    for text in lines:
        # A wide character takes the place of two.
        line = "".join(c + " " * (cell_len(c) - 1) for c in text)
        for half in (0, 1):
            pixels = ("1" if _LIGHT.get(c, (0, 0))[half] else "0" for c in line)
            rows += ["".join(pixel * SCALE for pixel in pixels)] * SCALE
    width = max(map(len, rows))
    picture = [width, len(rows), [row.ljust(width, "0") for row in rows]]
    node = Path(sys.executable).with_name("node")
    return subprocess.run(
        [node, "-e", _DECODE, str(JSQR)],
        input=json.dumps(picture),
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()
