"""The walk over the test images: on each chunk every way once, in rotating order, timed, judged and written down."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from benchmark.outcomes import count, pack
from benchmark.stages.network import Network
from benchmark.stages.workplace import derive, seed_everything
from tests.speed.grounds import Ground
from tests.speed.ledger import Ledger
from tests.speed.peers import Craft
from tests.speed.words import say

WARM = 8  # images on which every way runs once before it is timed


@dataclass(frozen=True)
class Made:
    """What a way made of some test images: examples at each ε, the gradients it took, who was implied at each ε."""

    examples: list[torch.Tensor]
    gradients: int | None = None
    implied: list[torch.Tensor] = field(default_factory=list)


Way = Callable[[torch.Tensor, int], Made]  # int64 indices of test images, the chunk's number → what it made


def crafting(craft: Craft, ground: Ground, network: Network, *eps: float) -> Way:
    """An implementation as a way: at each ε in turn."""

    def way(index: torch.Tensor, number: int) -> Made:
        images, labels = ground.data.test.pixels(index), ground.data.test.labels[index].to(ground.device)
        made = [craft(network, images, labels, radius, ground.steps) for radius in eps]
        return Made([examples for examples, _ in made], sum(gradients for _, gradients in made))

    return way


@dataclass
class Timing:
    """Wall-clock seconds and this process's CPU seconds."""

    seconds: float = 0.0
    cpu: float = 0.0


@contextmanager
def timed(device: str) -> Iterator[Timing]:
    """Times its block; what a GPU was asked for in it is waited for."""
    timing = Timing()
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    started, spent = time.perf_counter(), time.process_time()
    yield timing
    wait()
    timing.seconds, timing.cpu = time.perf_counter() - started, time.process_time() - spent


def interleaved(
    ledger: Ledger,
    part: str,
    ground: Ground,
    network: Network,
    ways: dict[str, Way],
    size: int,
    examples: int | None = None,
    name: str | None = None,
    beside: Callable[[int], None] = lambda number: None,
) -> None:
    """Run every way on every chunk of `size` that the ledger lacks, of the first `examples` in the ground's order.

    Judged on `network`; written under `name` (the ground's own by default). `beside` runs once a chunk.
    """
    name = name or ground.name
    warm = set()
    for number, index in enumerate(ground.order(examples).split(size)):
        order = list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]
        missing = [who for who in order if ledger.get(part, name, who, number) is None]
        if not missing:
            continue
        beside(number)
        clean = ground.clean(network, index)
        paces = []
        for who in missing:
            if who not in warm:
                ways[who](index[:WARM], number)
                warm.add(who)
            seed_everything(derive(part, who, number))
            with timed(ground.device) as timing:
                made = ways[who](index, number)
            line = ledger.add(
                part,
                name,
                who,
                number,
                n=len(index),
                seconds=timing.seconds,
                cpu=timing.cpu,
                gradients=made.gradients,
                robust=[pack((clean & ground.stands(network, x, index)).tolist()) for x in made.examples],
                **({"implied": [pack(mask.tolist()) for mask in made.implied]} if made.implied else {}),
            )
            paces.append(f"{who} {timing.seconds:.1f} s ({count(line['robust'][0], len(index))})")
        say(f"{part}, {name}, chunk {number}: {', '.join(paces)}")
