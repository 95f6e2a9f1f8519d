"""The store: whole or nothing, damage is noticed and mended, and it can say why a stage runs again."""

import json
import os
from pathlib import Path

import pytest

from benchmark.errors import DataError, RequestError, StoreError
from benchmark.store import Store
from benchmark.types import Stage
from tests.conftest import small

KEY = "ab" * 16


def stage(key: str = KEY, label: str = "a row", **ingredients) -> Stage:
    return Stage("train", key, label, None, (), {"stage": "train", "seed": 0, **ingredients})


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, made: Stage, text: str = "hello", seconds: float = 1.0) -> None:
    with store.writing(made) as draft:
        (draft.folder / "weights").write_text(text)
        draft.result, draft.measured = {"n": 3}, {"seconds": seconds}


def test_what_is_put_is_what_is_got(store):
    assert not store.has(KEY)
    put(store, stage())
    for reader in (store, Store(store.root)):
        assert reader.has(KEY) and reader.sound(KEY)
        assert reader.result(KEY) == {"n": 3}
        assert reader.file(KEY, "weights").read_text() == "hello"
    with pytest.raises(StoreError, match="has no such file"):
        store.file(KEY, "other")
    with pytest.raises(StoreError, match="no such artifact"):
        store.result("cd" * 16)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_appears_if_writing_fails(store, error):
    with pytest.raises(error), store.writing(stage()) as draft:
        (draft.folder / "weights").write_text("half")
        raise error
    assert not store.has(KEY)
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_a_result_that_is_not_json_is_not_stored(store):
    with pytest.raises(ValueError), store.writing(stage()) as draft:
        draft.result = {"loss": float("nan")}
    assert not store.has(KEY)


def test_partial_pieces_go_when_the_artifact_appears(store):
    piece = store.partial(KEY) / "chunk"
    piece.write_text("a piece")
    stale = store.root / "writing" / f"{KEY}.99999999"  # of a run that was killed
    stale.mkdir(parents=True)
    put(store, stage())
    assert not piece.parent.exists() and not stale.exists()


def test_the_first_to_finish_wins(store, monkeypatch):
    with pytest.raises(FileNotFoundError), Store(store.root).writing(stage()) as slower:
        (slower.folder / "weights").write_text("second")
        with monkeypatch.context() as another_process:
            another_process.setattr(os, "getpid", lambda: 1)
            put(store, stage(), "first")
    assert store.file(KEY, "weights").read_text() == "first"


@pytest.mark.parametrize("name", ["weights", "artifact.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_damage_is_noticed(store, name, damage):
    put(store, stage())
    path = store.folder(KEY) / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-2] if damage == "cut" else content[:-3] + b"0" + content[-2:])
    reader = Store(store.root)
    with pytest.raises(StoreError) as error:
        reader.verify(KEY)
    assert "\n" not in str(error.value)
    assert not reader.has(KEY) and not reader.sound(KEY)
    put(reader, stage())
    assert reader.file(KEY, "weights").read_text() == "hello"


@pytest.mark.parametrize("name", ["weights.safetensors", "chunk-0000.safetensors", "artifact.json"])
def test_the_executor_mends_what_is_damaged(desk, name):
    first = desk.run(small())
    for path in desk.store.root.glob("artifacts/*/*/artifact.json"):
        if name != "artifact.json" and json.loads(path.read_text())["ingredients"]["stage"] == "judge":
            path.unlink()  # so that there is something to run
    damaged = list(desk.store.root.glob(f"artifacts/*/*/{name}"))
    for path in damaged:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    again = desk.run(small())
    assert (again.status, again.complained) == (0, "")
    assert again.records == first.records
    assert len(list((desk.store.root / "damaged").iterdir())) == len(damaged)


def test_explanations(store):
    assert store.explain(stage()) == "it has never been run"
    put(store, stage(recipe={"epochs": 3}, **{"source of attack pgd": "1", "input network": "x"}))
    assert store.explain(stage(recipe={"epochs": 3}, **{"source of attack pgd": "1", "input network": "x"})) == (
        "its artifact is no longer in the store"
    )
    assert store.explain(stage(recipe={"epochs": 4}, **{"source of attack pgd": "2", "input network": "y"})) == (
        'its network is made anew, recipe changed from {"epochs":3} to {"epochs":4}, the source of attack pgd changed'
    )
    long = {"text": "x" * 100}
    assert "recipe changed," in store.explain(stage(recipe=long)) + ","
    assert store.explain(stage(label="another row")) == "it has never been run"


def test_estimates_are_medians_and_survive_a_torn_line(store):
    assert store.estimate(stage(seed=5)) is None
    for number, seconds in enumerate((1.0, 2.0, 9.0)):
        put(store, stage(f"{number}" * 32, seed=number), seconds=seconds)
    with open(store.root / "timings.jsonl", "a") as timings:
        timings.write('{"like": "to')
    seconds, weight = Store(store.root).estimate(stage(seed=5))
    assert seconds == 2.0 and weight > 100
    assert Store(store.root).estimate(stage(recipe="another")) is None


def test_a_dataset_that_changed_is_an_error(store):
    store.fingerprint("digits", "aaaa", "digits")
    store.fingerprint("digits", "aaaa", "digits")
    with pytest.raises(DataError, match=r"its images are not those .* bbbb, was aaaa"):
        Store(store.root).fingerprint("digits", "bbbb", "digits")


def test_a_store_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"--store .*file.*give a folder"):
        Store(tmp_path / "file")


def test_no_pickle_is_kept(finished):
    kept = {path.suffix for path in (finished.folder / "store" / "artifacts").rglob("*") if path.is_file()}
    assert kept == {".json", ".safetensors"}


def test_an_artifact_says_where_it_comes_from(finished):
    for path in Path(finished.folder, "store", "artifacts").glob("*/*/artifact.json"):
        content = json.loads(path.read_text())
        assert content["key"] == path.parent.name
        assert content["provenance"]["threads"] == 1 and content["provenance"]["torch"]
        assert content["measured"]["seconds"] >= 0
        assert "seconds" not in json.dumps(content["result"])
