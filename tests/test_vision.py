"""torchvision must import beside any torch, and what does not work there must say so."""

import subprocess
import sys


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)


def test_imports_in_a_fresh_process_without_a_warning_even_twice():
    done = python(
        "from benchmark.vision import torchvision\n"
        "print(torchvision() is torchvision(), torchvision().models.resnet18 is not None)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True\n", "")


def test_a_compiled_operator_either_works_or_refuses():
    done = python(
        "import torch; from benchmark.vision import torchvision\n"
        "boxes, scores = torch.tensor([[0., 0, 2, 2], [0, 0, 2, 2.1]]), torch.tensor([.9, .8])\n"
        "try: print(torchvision().ops.nms(boxes, scores, .5).tolist())\n"
        "except (RuntimeError, NotImplementedError): print('refused')"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("[0]", "refused")
