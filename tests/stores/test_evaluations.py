import array
import json
import math
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import InputError
from mlops_lib.stores.evaluations import Evaluation, Evaluations


def told(data: str, **losses: float) -> dict[str, Any]:
    return {"test": {"digest": data, "rows": 2}, "models": {
        name: {"digest": f"digest {name}", "metrics": {"loss": loss}, "losses": {"loss": f"losses/{name}.f64"}}
        for name, loss in losses.items()}}


def evaluation(folder: Path, data: str, **losses: float) -> Evaluation:
    (folder / "losses").mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(told(data, **losses)))
    for name, loss in losses.items():
        (folder / f"losses/{name}.f64").write_bytes(array.array("d", [loss, loss]).tobytes())
    return Evaluation.read(folder)


def judged(found: list[Evaluation], champion: str | None = "digest old") -> tuple[Any, Any]:
    return Evaluations(found).judged("digest new", "shop:2", champion, "shop:1", losses=["loss"], stage="dev")


def test_an_evaluation_is_read_from_its_folder_or_file(tmp_path: Path) -> None:
    found = evaluation(tmp_path / "e", "d", new=0.5)
    assert Evaluation.read(tmp_path / "e/metrics.json").models == found.models == {"digest new": "new"}
    evidence = found.evidence("digest new", model="shop:2", losses=["loss", "other"])
    assert (evidence.model, evidence.metrics, list(evidence.losses["loss"])) == ("shop:2", {"loss": 0.5}, [0.5, 0.5])
    assert list(evidence.losses) == ["loss"]
    assert found.evidence("digest new", model="shop:2").losses == {}


def test_the_time_of_predictions_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    evaluation(tmp_path / "e", "d", new=0.5)
    (tmp_path / "e/latency.json").write_text('{"new": {"row_ms": 3, "rows_per_second": 4}}')
    [found] = Evaluation.read(tmp_path / "e").all()
    assert (found.row_ms, found.rows_per_second) == (3, 4)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"test": {}, "models": {"a": {}}}', '{"test": {"digest": "d"}, "models": []}',
                                  '{"test": {"digest": "d", "rows": "x"}, "models": {"a": {"digest": "", "metrics": {}}}}'])
def test_what_is_no_evaluation_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputError, match="no evaluation that a gate can use"):
        Evaluation.read(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        Evaluation.read(tmp_path / "absent")


@pytest.mark.parametrize(("model", "test", "words"), [
    ({"latency": {"row_ms": "fast"}}, {}, "row_ms is 'fast', and has to be a number"),
    ({"latency": {"row_ms": -1}}, {}, "row_ms is -1, and has to be at least 0"),
    ({"size": "big"}, {}, "size is 'big'"), ({"metrics": {"loss": "0.5"}}, {}, "the metric loss is '0.5'"),
    ({"metrics": {"loss": True}}, {}, "the metric loss is True"), ({"digest": None}, {}, "a model's digest is None"),
    ({"digest": ""}, {}, "a model's digest is ''"), ({}, {"digest": ""}, "test.digest is ''"),
    ({"losses": {"loss": 3}}, {}, "the losses of new are not names of files"),
    ({"slices": [{"by": "a", "value": "b", "rows": -2, "metrics": {}}]}, {}, "the rows of a slice is -2"),
    ({}, {"rows": 1e999}, "test.rows is inf"), ({}, {"rows": True}, "test.rows is True"), ({}, {"rows": 0.5}, "test.rows is 0.5"),
    ({}, {"labels": {"1": "x"}}, "test.labels.1 is 'x'"), ({}, {"digest": None}, "test.digest is None"),
])  # fmt: skip
def test_numbers_that_are_none_are_told_by_their_names(tmp_path: Path, model: Any, test: Any, words: str) -> None:
    whole = told("d", new=1)
    whole["models"]["new"] |= model
    whole["test"] |= test
    (tmp_path / "metrics.json").write_text(json.dumps(whole))
    with pytest.raises(InputError, match=words):
        Evaluation.read(tmp_path)


def test_what_is_no_finite_number_was_not_measured(tmp_path: Path) -> None:
    whole = told("d", new=1)
    whole["models"]["new"] |= {"latency": {"row_ms": math.nan}, "size": math.inf, "metrics": {"loss": 10**400, "auc": math.nan}}
    (tmp_path / "metrics.json").write_text(json.dumps(whole))
    [found] = Evaluation.read(tmp_path).all()
    assert (found.row_ms, found.size) == (None, None)
    assert not any(map(math.isfinite, found.metrics.values()))
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_newest_evaluation_of_a_candidate_counts(tmp_path: Path) -> None:
    kinder = evaluation(tmp_path / "1", "d", new=0.1, old=0.5)
    newest = evaluation(tmp_path / "2", "d", new=0.4)
    candidate, champion = judged([newest, kinder])
    assert (candidate.metrics, champion.metrics) == ({"loss": 0.4}, {"loss": 0.5})
    assert judged([newest], None)[1] is None


def test_the_first_name_of_bytes_that_have_several_is_theirs(tmp_path: Path) -> None:
    whole = told("d", first=0.4, second=0.5)
    whole["models"]["second"]["digest"] = "digest first"
    (tmp_path / "metrics.json").write_text(json.dumps(whole))
    assert Evaluation.read(tmp_path).models == {"digest first": "first"}


def test_a_champion_on_the_same_data_is_preferred_to_a_newer_one(tmp_path: Path) -> None:
    same, other = evaluation(tmp_path / "1", "d", old=0.5), evaluation(tmp_path / "2", "e", old=0.9)
    ours = evaluation(tmp_path / "3", "d", new=0.4)
    assert judged([other, ours, same])[1].metrics == {"loss": 0.5}
    assert judged([other, ours])[1].data.digest == "e"


def test_a_champion_on_other_data_is_told_with_what_measures_both(tmp_path: Path) -> None:
    ours, theirs = evaluation(tmp_path / "a", "d2", new=0.5), evaluation(tmp_path / "b", "d1", old=0.6)
    assert judged([ours, theirs])[1].why == "evaluate beside it: mlops run evaluate --against dev"
    assert judged([evaluation(tmp_path / "c", "d2", new=0.5, old=0.6), theirs])[1].why == ""


def test_what_no_evaluation_knows_is_not_measured(tmp_path: Path) -> None:
    candidate, champion = judged([evaluation(tmp_path / "1", "d", another=1)])
    assert (candidate.data, champion.data) == (None, None)
    assert "mlops run evaluate --against dev" in champion.why


def test_models_are_compared_on_the_newest_data_that_all_were_measured_on(tmp_path: Path) -> None:
    found = Evaluations([evaluation(tmp_path / "1", "new data", a=1), evaluation(tmp_path / "2", "data", a=2),
                         evaluation(tmp_path / "3", "data", b=3), evaluation(tmp_path / "4", "old", a=4, b=5)])
    both = found.together({"A": "digest a", "B": "digest b"})
    assert both is not None
    assert [(model.model, model.metrics["loss"]) for model in both[1]] == [("A", 2), ("B", 3)]
    assert found.together({"A": "digest a", "C": "digest c"}) is None


def test_losses_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    found = evaluation(tmp_path / "1", "d", new=1)
    (tmp_path / "1/losses/new.f64").write_bytes(b"123")
    with pytest.raises(InputError, match="cannot be read: its 3 bytes are no 64-bit floats"):
        found.evidence("digest new", model="m", losses=["loss"])
    (tmp_path / "1/losses/new.f64").unlink()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        found.evidence("digest new", model="m", losses=["loss"])
    (tmp_path / "kinder.f64").write_bytes(bytes(16))
    found.told["models"]["new"]["losses"]["loss"] = "../kinder.f64"
    with pytest.raises(InputError, match="is not in the evaluation's folder"):
        found.evidence("digest new", model="m", losses=["loss"])
