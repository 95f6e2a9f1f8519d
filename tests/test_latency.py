"""The stopwatch: artifacts in processes of their own, in turns; and a process that ends says why."""

import numpy as np
import pytest

from benchmark.deploy import stopwatch
from benchmark.deploy.export import export
from benchmark.errors import DeployError
from tests.quantised_networks import network, quantised
from tests.small_networks import digit_images

for library in ("openvino", "onnxruntime", "onnx"):
    pytest.importorskip(library, reason=f"{library} is not installed (the extra `deploy` brings it)")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    def made(runtime: str, name: str, module):
        folder = tmp_path_factory.mktemp(name)
        export(module, digit_images(2)[0], runtime, folder)
        return folder

    return {
        runtime: [made(runtime, "fp32", network()), made(runtime, "int8", quantised(network(), 8))]
        for runtime in ("openvino", "onnxruntime")
    }


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_what_is_measured(folders, runtime):
    rounds = []
    found = stopwatch.latencies(folders[runtime], runtime, (1, 8, 8), 1, lambda *told: rounds.append(told))
    assert found["threads"] == 1 and rounds[-1] == (stopwatch.ROUNDS, stopwatch.ROUNDS, "rounds")
    assert all(cores is None or cores >= 0 for cores in found["busy"])
    for one in found["artifacts"]:
        assert 10e6 < one["memory"] < 2e9
        for batch in ("1", "64"):
            times = one[batch]
            assert 0 < times["p10"] <= times["median"] <= times["p90"]
            assert len(times["rounds"]) == stopwatch.ROUNDS <= times["runs"]
        assert one["1"]["median"] < one["64"]["median"]


def test_a_process_that_ends_says_why_in_one_line(folders, tmp_path):
    with pytest.raises(DeployError, match=f"{tmp_path}: its process ended while it was timed: .*cannot open") as caught:
        stopwatch.latencies([*folders["openvino"], tmp_path], "openvino", (1, 8, 8), 1)
    assert "\n" not in str(caught.value)
    (folder, _) = folders["openvino"]
    with pytest.raises(DeployError, match="its process ended while it was timed"):
        stopwatch.latencies([folder], "openvino", (3, 8, 8), 1)  # another shape than it takes


def test_quantiles_are_of_all_runs_and_rounds_keep_their_medians():
    rounds = [[1.0, 2.0, 9.0], [3.0], [4.0, 5.0, 6.0, 7.0, 8.0, 10.0]]
    summary = stopwatch._summary(rounds)
    every = sorted(np.concatenate(rounds))
    assert (summary["p10"], summary["median"], summary["p90"]) == (every[1], every[4], every[8])
    assert summary["runs"] == 10 and summary["rounds"] == [2.0, 3.0, 6.5]
