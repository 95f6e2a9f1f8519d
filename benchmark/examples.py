"""Plan + store → the few adversarial examples that a board shows beside the images that they were made from. No torch.

They are the first test images, whatever became of them, on the first network of each row: nobody has chosen them.
"""

import base64
from collections.abc import Iterator
from typing import Any

from benchmark.plan import Plan
from benchmark.store import Store
from benchmark.types import Cell, Suite

IMAGES, CHUNK = "images.safetensors", "chunk-0000.safetensors"
MOST = 2000  # on a board: with more rows, each shows fewer
SIDE = 64  # pixels; larger images are shown by every second, third, … pixel


def examples(suite: Suite, plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """Lines of examples.jsonl: of each row's first seed, under the first attack of each norm, at the headline ε."""
    cells = [cell for cell in _shown(suite, plan) if store.has(cell.clean) and store.has(cell.craft)]
    for cell in cells:
        if not store.result(cell.craft)["minimum_norm"]:  # such an example may be farther away than ε
            yield from _lines(cell, store, max(1, MOST // len(cells)))


def _shown(suite: Suite, plan: Plan) -> Iterator[Cell]:
    wanted = set()
    for grid in suite.grids:
        own = [attack for attack in grid.attacks if attack.runtime is None and attack.source is None]
        for norm in dict.fromkeys(attack.norm for attack in own):
            first = next(attack for attack in own if attack.norm == norm)
            wanted.add((grid.name, first.name, grid.headline_of(norm)))
    for cell in plan.cells:
        if not cell.deployed and cell.seed == suite.seeds[0] and (cell.grid, cell.attack, cell.eps.value) in wanted:
            yield cell


def _lines(cell: Cell, store: Store, most: int) -> Iterator[dict[str, Any]]:
    from safetensors import safe_open  # with numpy; nothing that only plans needs either

    clean, craft = store.result(cell.clean), store.result(cell.craft)
    # not `store.file`, which would read every byte to check it: this is to be looked at, and proves nothing
    with safe_open(store.folder(cell.clean) / IMAGES, "numpy") as file:
        before = file.get_tensor("images")[:most]
    with safe_open(store.folder(cell.craft) / CHUNK, "numpy") as file:
        after = file.get_slice(f"examples-{craft['eps'].index(cell.eps.value)}")[: len(before)]
    after = (255 * after).round().astype("uint8")
    step = -(-before.shape[-1] // SIDE)
    for number, pair in enumerate(zip(before, after, strict=True)):
        clear, attacked = (image[:, ::step, ::step] for image in pair)
        yield {
            **{name: getattr(cell, name) for name in ("grid", "compression", "training", "seed", "attack")},
            "eps": cell.eps.value,
            "image": number,
            "label": clean["classes"][clean["labels"][number]],
            "shape": list(clear.shape),
            "clean": base64.b64encode(clear.tobytes()).decode(),
            "attacked": base64.b64encode(attacked.tobytes()).decode(),
        }
