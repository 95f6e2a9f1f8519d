"""Export a network to a runtime's own file, and see that it executes as it says."""

from collections import Counter
from importlib.metadata import version

import torch

from benchmark.deploy.artifact import opened
from benchmark.deploy.export import calls, check, export
from benchmark.stages import network as networks
from benchmark.stages.workplace import Workplace
from benchmark.store import Draft
from benchmark.types import DeployTask, Stage


def deploy(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Write the runtime's files; `kernels` lists what each convolution and linear layer runs as, by its own report."""
    task: DeployTask = stage.task
    network = networks.load(place, stage.input("network"))
    module = network.module.cpu()
    images = torch.zeros(2, *network.shape)  # one image would be traced as always one
    export(module, images, task.runtime, draft.folder)
    files = {path.name: path.stat().st_size for path in sorted(draft.folder.iterdir())}
    kernels = opened(draft.folder, task.runtime, torch.get_num_threads()).kernels()
    check(kernels, task.precision, calls(module, images), task.runtime)
    draft.provenance = {task.runtime: version(task.runtime)}
    draft.result = {
        "runtime": task.runtime,
        "precision": task.precision,
        "files": files,
        "bytes": sum(files.values()),
        "kernels": [vars(kernel) for kernel in kernels],
        "kernel_counts": Counter(kernel.kernel for kernel in kernels),
        "shape": list(network.shape),
        "classes": network.classes,
    }
