import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import __version__
from monitor.model import Slice, Task
from monitor.model.errors import ArtefactError, StoreError
from monitor.model.files import directory_name
from monitor.model.refits import SampleSpan
from monitor.recalibration.artefacts import (
    Artefact,
    artefact_path,
    read_artefact,
    read_current,
    write_artefact,
    write_current,
)
from monitor.recalibration.calibrators import Temperature
from tests.recalibration.examples import EVERY_METHOD

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
ARTEFACT = Artefact(
    model="parcels/v2",
    scope=Slice.of({"camera": "c3", "lighting": "night, late=yes"}),
    method="temperature",
    parameters={"temperature": 1.5000000000000002, "multiclass": False},
    task=Task.MULTICLASS,
    fitted_at=MARCH + timedelta(days=3, microseconds=7),
    fit_window=SampleSpan(MARCH, MARCH + timedelta(days=2), 2400),
    gate_window=SampleSpan(MARCH + timedelta(days=2), MARCH + timedelta(days=3), 1204),
    parent="0123456789abcdef",
    calwatch_version="0.1.0",
    before={"n": 1204, "log_loss": 0.51, "ece": 0.08, "brier": 0.17},
    after={"n": 1204, "log_loss": 0.476, "ece": None, "brier": 0.16},
    reasons=("accepted: log-loss better by 0.034 (at least 0.021 with 95 % confidence) on 1,204 later samples",),
)


def _edited(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _resealed(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The file with a change and with an id that fits it: what another program could have written."""
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["id"]
    change(document)
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    document["id"] = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    foreign = path.with_name(f"{document['id']}.json")
    foreign.write_text(json.dumps(document), encoding="utf-8")
    return foreign


def test_an_artefact_reads_back_equal_from_its_own_path(tmp_path: Path) -> None:
    path = write_artefact(tmp_path, ARTEFACT)
    assert path == tmp_path / "parcels%2Fv2" / f"{ARTEFACT.id}.json"
    assert path == artefact_path(tmp_path, "parcels/v2", ARTEFACT.id)
    assert read_artefact(path) == ARTEFACT
    assert read_artefact(path).calibrator == Temperature(1.5000000000000002)


def test_the_id_is_a_hash_of_the_content_that_never_changes_between_releases() -> None:
    assert ARTEFACT.id == "165df405d70e666d"


def test_any_change_of_content_changes_the_id_and_the_clock_zone_does_not() -> None:
    assert replace(ARTEFACT, parent=None).id != ARTEFACT.id
    assert replace(ARTEFACT, reasons=()).id != ARTEFACT.id
    assert replace(ARTEFACT, parameters={"temperature": 1.5, "multiclass": False}).id != ARTEFACT.id
    elsewhere = ARTEFACT.fitted_at.astimezone(timezone(timedelta(hours=5)))
    assert replace(ARTEFACT, fitted_at=elsewhere).id == ARTEFACT.id


def test_an_identity_that_was_never_gated_reads_back_too(tmp_path: Path) -> None:
    first = replace(ARTEFACT, method="identity", parameters={}, gate_window=None, parent=None, before={}, after={})
    assert read_artefact(write_artefact(tmp_path, first)) == first


@given(st.floats(0.01, 100), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))
def test_parameters_and_reasons_of_any_kind_keep_their_id(temperature: float, text: str) -> None:
    artefact = replace(
        ARTEFACT, parameters={"temperature": temperature, "multiclass": True}, reasons=(text,), model=text
    )
    again = json.loads(json.dumps({"t": temperature, "text": text}))
    twin = replace(artefact, parameters={"multiclass": True, "temperature": again["t"]}, reasons=(again["text"],))
    assert twin.id == artefact.id


def test_writing_again_changes_nothing_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = write_artefact(tmp_path, ARTEFACT)
    before = path.read_bytes()
    assert write_artefact(tmp_path, ARTEFACT) == path
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_other_programs_may_read_the_files_as_the_umask_allows(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        path = write_artefact(tmp_path, ARTEFACT)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_is_no_calibrator_or_not_json_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        write_artefact(tmp_path, replace(ARTEFACT, parameters={"temperature": 0.0, "multiclass": False}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_artefact(tmp_path, replace(ARTEFACT, before={"ece": float("nan")}))
    with pytest.raises(ValueError, match="must have a time zone"):
        write_artefact(tmp_path, replace(ARTEFACT, fitted_at=datetime(2026, 3, 1)))  # noqa: DTZ001 - what is refused
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_current(tmp_path, {"all": "a" * 16})

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(
            StoreError, match=r"current\.json: cannot be written \(No space left on device\)"
        ) as failure:
            write_current(tmp_path, {"all": "b" * 16})
    assert failure.value.hint
    assert read_current(tmp_path) == {"all": "a" * 16}
    assert [path.name for path in tmp_path.iterdir()] == ["current.json"]


def test_a_directory_that_is_a_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "parcels%2Fv2").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_artefact(tmp_path, ARTEFACT)


def _refusal(path: Path) -> str:
    with pytest.raises(ArtefactError) as refused:
        read_artefact(path)
    assert refused.value.hint
    assert str(path) in refused.value.message
    return refused.value.message.removeprefix(f"{path}: ")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert _refusal(tmp_path / "0123456789abcdef.json") == "there is no such calibrator"


def test_a_directory_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    assert _refusal(tmp_path) == "cannot be read (Is a directory)"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"id": NaN}'])
def test_what_is_not_json_is_refused_as_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "0123456789abcdef.json"
    path.write_bytes(content)
    assert _refusal(path).startswith("is damaged, not JSON (")


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = write_artefact(tmp_path, ARTEFACT)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 40):
        path.write_bytes(whole[:length])
        assert _refusal(path).startswith("is damaged")


def test_an_edited_number_is_refused(tmp_path: Path) -> None:
    path = write_artefact(tmp_path, ARTEFACT)
    _edited(path, lambda document: document["parameters"].update(temperature=1.4))
    assert _refusal(path).startswith(f"is damaged or was edited (id {ARTEFACT.id}, content ")


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for content, message in [
        ("[1]", "is not a calwatch calibrator (a JSON list)"),
        ('{"weights": []}', "is not a calwatch calibrator (no id and schema_version)"),
        ('{"schema_version": true, "id": ""}', "is not a calwatch calibrator (no id and schema_version)"),
    ]:
        path.write_text(content, encoding="utf-8")
        assert _refusal(path) == message


def test_a_newer_schema_is_refused_before_anything_else_is_looked_at(tmp_path: Path) -> None:
    path = write_artefact(tmp_path, ARTEFACT)
    _edited(path, lambda document: document.update(schema_version=5))
    told = f"written by calwatch {ARTEFACT.calwatch_version}; this is calwatch {__version__}"
    assert _refusal(path) == f"has schema version 5, this calwatch reads up to 4 ({told})"


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_an_artefact_of_every_method_reads_back_equal(tmp_path: Path, name: str) -> None:
    calibrator = EVERY_METHOD[name]
    artefact = replace(ARTEFACT, method=calibrator.method, parameters=calibrator.parameters())
    path = write_artefact(tmp_path, artefact)
    assert read_artefact(path) == artefact
    assert read_artefact(path).calibrator == calibrator


def test_what_version_one_could_express_is_written_as_version_one_and_later_methods_as_two(tmp_path: Path) -> None:
    """So an older release, which reads up to 1, goes on reading the former and refuses the latter by their version."""
    versions = {
        calibrator.method: json.loads(
            write_artefact(
                tmp_path, replace(ARTEFACT, method=calibrator.method, parameters=calibrator.parameters())
            ).read_text("utf-8")
        )["schema_version"]
        for calibrator in EVERY_METHOD.values()
    }
    assert versions == {"identity": 1, "temperature": 1, "isotonic": 1, "platt": 2, "beta": 2, "vector": 2}


def test_a_method_under_a_schema_version_that_is_not_its_own_is_refused(tmp_path: Path) -> None:
    platt = EVERY_METHOD["platt"]
    path = write_artefact(tmp_path, replace(ARTEFACT, method="platt", parameters=platt.parameters()))
    foreign = _resealed(path, lambda document: document.update(schema_version=1))
    assert "platt belongs to schema version 2" in _refusal(foreign)


def test_a_renamed_file_is_refused_with_its_right_name(tmp_path: Path) -> None:
    path = write_artefact(tmp_path, ARTEFACT)
    renamed = path.rename(path.with_name("0123456789abcdef.json"))
    assert _refusal(renamed) == f"was renamed; it holds calibrator {ARTEFACT.id}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("method", "magic"),
        ("parameters", [1]),
        ("parameters", {"temperature": "2", "multiclass": False}),
        ("scope", "camera"),
        ("task", "guessing"),
        ("fitted_at", "yesterday"),
        ("fit_window", None),
        ("fit_window", {"start": "2026-03-01T00:00:00+00:00", "n": 3}),
        ("fit_window", {"start": "2026-03-01T00:00:00+00:00", "end": "2026-03-01T00:00:00+00:00", "n": "3"}),
        ("before", {"ece": "0.1"}),
        ("reasons", "because"),
        ("parent", 7),
    ],
)
def test_well_formed_content_that_means_nothing_here_is_refused(tmp_path: Path, key: str, value: object) -> None:
    path = write_artefact(tmp_path, ARTEFACT)
    foreign = _resealed(path, lambda document: document.update({key: value}))
    assert _refusal(foreign).startswith("is not a calibrator of this program (")


def test_a_missing_field_is_refused_by_name(tmp_path: Path) -> None:
    path = write_artefact(tmp_path, ARTEFACT)
    foreign = _resealed(path, lambda document: document.pop("task"))
    assert _refusal(foreign) == "is not a calibrator of this program (KeyError('task'))"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_a_model_name_of_any_characters_becomes_one_path_component_and_back(model: str) -> None:
    name = directory_name(model)
    assert name not in (".", "..")
    assert not set(name) & set('/\\\0:*?"<>| \n')
    assert name.isascii()
    assert unquote(name) == model


@pytest.mark.parametrize("model", [".", "..", "...", "%2E", "a/../b", "Bremen 7", "ü"])
def test_awkward_model_names_stay_apart_and_inside(tmp_path: Path, model: str) -> None:
    path = write_artefact(tmp_path, replace(ARTEFACT, model=model))
    assert path.resolve().parent.parent == tmp_path.resolve()
    assert unquote(path.parent.name) == model
    assert read_artefact(path).model == model


def test_a_model_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="a model needs a name"):
        directory_name("")


def test_current_reads_back_and_is_replaced_whole(tmp_path: Path) -> None:
    directory = tmp_path / "parcels"
    assert read_current(directory) == {}
    path = write_current(directory, {"camera=c3": "b" * 16, "all": "a" * 16})
    assert path == directory / "current.json"
    assert read_current(directory) == {"all": "a" * 16, "camera=c3": "b" * 16}
    write_current(directory, {"all": "c" * 16})
    assert read_current(directory) == {"all": "c" * 16}


def test_a_reader_that_has_current_open_keeps_the_old_one(tmp_path: Path) -> None:
    path = write_current(tmp_path, {"all": "a" * 16})
    with path.open(encoding="utf-8") as reader:
        write_current(tmp_path, {"all": "b" * 16})
        assert json.load(reader)["current"] == {"all": "a" * 16}


def test_a_scope_that_is_no_slice_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="slice must be"):
        write_current(tmp_path, {"camera": "a" * 16})
    assert read_current(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged, not JSON"),
        ("[]", "is not a calwatch list of calibrators in use (a JSON list)"),
        ('{"all": "aaaa"}', "is not a calwatch list of calibrators in use"),
        ('{"schema_version": 2, "current": {}}', "has schema version 2, this calwatch reads up to 1"),
        ('{"schema_version": 1, "current": []}', "is not a calwatch list of calibrators in use"),
        ('{"schema_version": 1, "current": {"all": 3}}', "must map each scope to a calibrator id"),
    ],
)
def test_a_damaged_foreign_or_newer_current_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "current.json").write_text(content, encoding="utf-8")
    with pytest.raises(ArtefactError) as refused:
        read_current(tmp_path)
    assert refused.value.message.removeprefix(f"{tmp_path / 'current.json'}: ").startswith(message)
    assert refused.value.hint
