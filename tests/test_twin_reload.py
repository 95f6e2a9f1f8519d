"""A twin that is saved, and reloaded in a new process, is attacked to the bit as the one that was made."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmark.engine.judging import stands
from benchmark.engine.pgd import PGD
from benchmark.engine.size import measure
from benchmark.engine.square import Square
from benchmark.stages.compress import CompressContext
from plugins.compressions import quantize
from tests.small_networks import classifier, digit_images, fresh, prepared, trained

HOME = Path(__file__).parent.parent
ELSEWHERE = "import sys; from tests.test_twin_reload import in_a_new_process; in_a_new_process(sys.argv[1])"


def attacked(module: nn.Module) -> dict[str, torch.Tensor]:
    """Examples of a white-box and a black-box attack on 60 test images, and who stands."""
    x, y = digit_images(60)
    estimator = classifier(module)
    attacks = {
        "pgd": PGD(estimator, eps=0.1, eps_step=0.025, max_iter=10, num_random_init=1, mode="decide"),
        "square": Square(estimator, eps=0.1, queries=30),
    }
    found = {name: attack.generate(x, y, seed=5) for name, attack in attacks.items()}
    return found | {f"{name} stood": stands(module, examples, y) for name, examples in found.items()}


def in_a_new_process(folder: str) -> None:
    torch.set_num_threads(1)
    module = quantize.rebuild(fresh(seed=1), json.loads((Path(folder) / "state.json").read_text()))
    module.load_state_dict(load_file(f"{folder}/weights.safetensors"))
    save_file(attacked(module.eval()), f"{folder}/attacked.safetensors")


@pytest.mark.parametrize("bits", [8, 2])
def test_attacks_have_identical_outcomes(bits, tmp_path):
    dense = trained(robust=False).model
    example, generator = torch.zeros(1, 1, 8, 8), torch.Generator().manual_seed(0)
    context = CompressContext(example, prepared().training, generator, dense, measure(dense, example), 10)
    module, state = quantize.compress(dense, context, bits=bits)
    (tmp_path / "state.json").write_text(json.dumps(state))
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    save_file(tensors, tmp_path / "weights.safetensors")
    expected = attacked(module)
    subprocess.run([sys.executable, "-c", ELSEWHERE, tmp_path], cwd=HOME, check=True)
    found = load_file(tmp_path / "attacked.safetensors")
    assert 0 < expected["pgd stood"].sum() < 60
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
