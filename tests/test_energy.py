"""The processor's counters, as Linux shows them, in a folder that is written here: few machines let one read theirs."""

from benchmark.execute import energy
from benchmark.execute.energy import Meter

MOST = 2**40  # microjoules


def package(root, number: str, microjoules: int, name: str = "package-0", most: int = MOST):
    folder = root / f"intel-rapl:{number}"
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in (("name", name), ("energy_uj", microjoules), ("max_energy_range_uj", most - 1)):
        (folder / file).write_text(f"{text}\n")
    return folder


def test_packages_add_up_and_their_parts_do_not(tmp_path):
    for number, name in (("0", "package-0"), ("1", "package-1"), ("0:0", "core"), ("2", "psys")):
        package(tmp_path, number, 1_000_000, name)
    meter = Meter(tmp_path)
    for number, name in (("0", "package-0"), ("1", "package-1"), ("0:0", "core"), ("2", "psys")):
        package(tmp_path, number, 6_500_000, name)
    assert meter.joules() == 11.0


def test_a_counter_begins_anew(tmp_path):
    package(tmp_path, "0", MOST - 2_000_000)
    meter = Meter(tmp_path)
    package(tmp_path, "0", 3_000_000)
    assert meter.joules() == 5.0


def test_no_figure_rather_than_a_wrong_one(tmp_path, monkeypatch):
    assert Meter(tmp_path).joules() is None  # no counters
    package(tmp_path, "0", 1)
    lost = Meter(tmp_path)
    monkeypatch.setattr(energy, "MOST", 1e30)  # so much that it may have come round twice by now
    assert lost.joules() is None
    monkeypatch.undo()
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert lost.joules() is None
