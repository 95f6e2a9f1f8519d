"""What a stage took in joules, by the processor's own counter (RAPL, as Linux shows it); nothing where there is none.

The counter is of whole processor packages: of everything that runs on them, and of nothing on a GPU or in memory. Since
2020 Linux shows it to root alone, unless its files have been made readable.
"""

import time
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
MOST = 1000.0  # watts that a package could draw: what says how soon its counter may have come round twice


class Meter:
    """Reads the packages' counters below `root` now; `joules` is what they have counted since."""

    def __init__(self, root: Path = POWERCAP):
        self._started = time.monotonic()
        # intel-rapl:0 is a package (AMD's are called so, too), intel-rapl:0:1 a part of one, psys all of the board
        packages = (path for path in sorted(root.glob("intel-rapl:*")) if path.name.count(":") == 1)
        self._first = {path: read for path in packages if (read := _read(path))}

    def joules(self) -> float | None:
        """None without counters, or after a time in which one may have come round more than once."""
        total, seconds = 0, time.monotonic() - self._started
        for path, (before, most) in self._first.items():
            now = _read(path)
            if now is None or seconds * MOST * 1e6 > most:
                return None
            total += (now[0] - before) % most
        return round(total / 1e6, 1) if self._first else None


def _read(package: Path) -> tuple[int, int] | None:
    """Microjoules, and how many make the counter begin anew; None if it is no package's, or may not be read."""
    try:
        if not (package / "name").read_text().startswith("package"):
            return None
        return int((package / "energy_uj").read_text()), int((package / "max_energy_range_uj").read_text()) + 1
    except (OSError, ValueError):
        return None
