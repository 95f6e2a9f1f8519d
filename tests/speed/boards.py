"""A whole board with our attacks, and again with ART's originals in their place, on the very same networks.

    python -m tests.speed.boards suites/quickstart.yaml --out results/boards

Says what both take, by kind of stage, and how far their records agree. ART's steps are a tenth of ε.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmark import run
from benchmark.errors import RequestError
from benchmark.outcomes import bitmap
from tests.speed.tables import table

FOLDERS = ("data", "plugins")
CLASSES = {"fgsm": "FastGradientMethod", "pgd": "ProjectedGradientDescentPyTorch"}
KINDS = ("train", "compress", "tune", "craft", "judge", "verify", "deploy", "latency")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both, print the comparison; the exit status."""
    try:
        return _main(arguments)
    except RequestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser("python -m tests.speed.boards", description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results/boards"))
    for name in FOLDERS:
        parser.add_argument(f"--{name}", type=Path, action="append", default=[], help="as of benchmark.run")
    given = parser.parse_args(arguments)
    suite = yaml.safe_load(given.suite.read_text())
    given.out.mkdir(parents=True, exist_ok=True)
    theirs = given.out / f"{given.suite.stem}-art.yaml"
    theirs.write_text(yaml.safe_dump(suite | {"attacks": by_art(suite["attacks"])}))
    shared = ["--store", str(given.out / "store")]
    shared += [part for name in FOLDERS for folder in getattr(given, name) for part in (f"--{name}", str(folder))]
    folders = {"ours": given.out / "ours", "ART's": given.out / "art"}
    for path, folder in zip((given.suite, theirs), folders.values(), strict=True):
        if status := run.main([str(path), "--out", str(folder), *shared]):
            return status
    print(compared({who: Board(folder) for who, folder in folders.items()}))
    return 0


def by_art(attacks: dict[str, Any]) -> dict[str, Any]:
    """The same attacks as classes of ART's; RequestError for one that has no counterpart here."""
    found = {}
    for name, recipe in attacks.items():
        recipe = {recipe: {}} if isinstance(recipe, str) else dict(recipe)
        plugin = next((key for key in recipe if key in CLASSES), None)
        if plugin is None:
            raise RequestError(f"attack {name}: neither of {', '.join(CLASSES)}, which alone are compared")
        options = recipe.pop(plugin) or {}
        steps = {"max_iter": options["steps"], "num_random_init": 1} if "steps" in options else {}
        found[name] = {"art": {"class": CLASSES[plugin], **steps}, **recipe}
    return found


class Board:
    """What a run wrote: seconds by kind of stage, and each cell's outcomes."""

    def __init__(self, folder: Path):
        self.seconds: Counter[str] = Counter()
        for line in _lines(folder / "measurements.jsonl"):
            self.seconds[line["stage"]] += line["seconds"]
        cells = ("grid", "compression", "training", "seed", "attack", "eps")
        self.records = {tuple(line[name] for name in cells): line for line in _lines(folder / "records.jsonl")}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def compared(boards: dict[str, Board]) -> str:
    """Seconds beside seconds, and robust accuracy beside robust accuracy."""
    ours, theirs = boards.values()
    rows = [(who, *(f"{board.seconds[kind]:.1f}" for kind in KINDS)) for who, board in boards.items()]
    rows.append(
        ("×", *(f"{theirs.seconds[kind] / ours.seconds[kind]:.1f}" if ours.seconds[kind] else "" for kind in KINDS))
    )
    total = [sum(board.seconds.values()) for board in boards.values()]
    lines = [
        table(["seconds", *KINDS], rows),
        "",
        f"In all {total[0]:.0f} s with ours, {total[1]:.0f} s with ART's attacks: {total[1] / total[0]:.2f} ×.",
        "",
    ]
    agreement = []
    for attack in dict.fromkeys(cell[4] for cell in ours.records):
        for eps in dict.fromkeys(cell[5] for cell in ours.records):
            cells = [cell for cell in ours.records if cell[4:] == (attack, eps) and cell in theirs.records]
            n = sum(ours.records[cell]["n"] for cell in cells)
            differing = sum((_robust(ours.records[cell]) ^ _robust(theirs.records[cell])).bit_count() for cell in cells)
            mean = [100 * sum(board.records[cell]["robust_correct"] for cell in cells) / n for board in boards.values()]
            agreement.append((attack, f"{eps:g}", str(n), *(f"{value:.2f}" for value in mean), str(differing)))
    headers = ["attack", "ε", "outcomes", "robust %, ours", "robust %, ART's", "outcomes that differ"]
    return "\n".join([*lines, table(headers, agreement)])


def _robust(record: dict[str, Any]) -> int:
    return bitmap(record["outcomes"]["robust"], record["n"])


if __name__ == "__main__":
    sys.exit(main())
