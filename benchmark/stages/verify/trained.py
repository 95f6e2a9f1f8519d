"""Look at what was made: whether the training learned anything, and whether the compression is what it says."""

from collections import Counter
from typing import Any

from benchmark.engine import twin
from benchmark.stages import network as networks
from benchmark.stages.network import Network
from benchmark.stages.verify.looked import looked
from benchmark.stages.workplace import Workplace
from benchmark.store import Draft
from benchmark.types import Stage
from benchmark.verification import FRESH, FURTHER


def trained(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Facts: each training's first and last loss, what the network answers, and what its compressions have kept."""
    store = place.store
    seen, clean = looked(stage, place), store.result(stage.input("clean"))
    network = networks.load(place, stage.input("network"))
    draft.result = seen.result(
        seen.index[:0],
        trainings=[
            {"fresh": role.startswith(FRESH), **_course(store.result(key)["epochs"])}
            for role, key in stage.inputs
            if role.startswith((FRESH, FURTHER))
        ],
        answers=len(set(clean["predicted"])),
        commonest=Counter(clean["labels"]).most_common(1)[0][1],
        size=vars(network.size()),
        dense=store.result(stage.input("dense"))["size"],
        broken_promises=[problem for at in range(len(network.steps)) if (problem := _broken_promise(network, at))],
    )


def _course(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    """How many epochs a training had, and the losses of the first and the last that told theirs."""
    losses = [epoch["loss"] for epoch in epochs if "loss" in epoch]
    return {"epochs": len(epochs), "losses": [*losses[:1], *losses[1:][-1:]]}


def _broken_promise(network: Network, at: int) -> str:
    """How the network differs from what its step `at` says that it achieved; empty if it does not, or it says nothing.

    Whatever came after the step may have gone further, never back; but channels take their zeros with them.
    """
    step, *later = network.steps[at:]
    achieved = _achieved(step)
    resized = any("widths" in _achieved(one) for one in later)
    # a quantiser's learned range (clip) came after the weights that were counted
    left = sum(weight.numel() for name, weight in network.module.named_parameters() if not name.endswith(".clip"))
    if left > achieved.get("parameters_after", left):
        return f"{step['plugin']}: {left} parameters are left, not {achieved['parameters_after']}"
    layers = {name: part for name, part in network.module.named_modules() if isinstance(part, twin.LAYERS)}
    for name, width in achieved.get("widths", {}).items():
        if name in layers and len(layers[name].weight) > width and not getattr(layers[name], "transposed", False):
            return f"{step['plugin']}: {name} has {len(layers[name].weight)} channels, not {width}"
    if "sparsity" in achieved and not resized:
        weights = [layer.weight.detach() for layer in layers.values()]
        zeros = 1 - sum(int(w.count_nonzero()) for w in weights) / sum(w.numel() for w in weights)
        if zeros < achieved["sparsity"] - 1e-3:
            return f"{step['plugin']}: {zeros:.3f} of the weights are zero, not {achieved['sparsity']:.3f}"
    if "weights_bits" in achieved:
        for layer in twin.described(network.module):
            if layer["weights"] and layer["weight_levels"] > 2 ** layer["weights"]:
                return f"{step['plugin']}: {layer['name']} has {layer['weight_levels']} levels a channel"
    return ""


def _achieved(step: dict[str, Any]) -> dict[str, Any]:
    return (step["state"].get("achieved") if isinstance(step["state"], dict) else None) or {}
