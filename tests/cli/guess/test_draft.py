"""``calwatch init DIR --from FILE``: a configuration that calwatch takes, made of files as people have them."""

import tomllib
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.cli.app import main
from monitor.cli.guess.cuts import dimension_name
from monitor.cli.guess.draft import draft_config
from monitor.config.settings import Model, load_config, parse_config
from monitor.config.sources import CANONICAL_COLUMNS, OWN_COLUMNS
from monitor.engine.check.check import check_config
from monitor.model import NO_DIMENSIONS, RESERVED_LABELS
from monitor.model.errors import ConfigError, UsageError
from monitor.store.connection import quote_text
from tests.cli.guess.meanings import unlabelled
from tests.cli.guess.people import Rows, binary, csv_file, json_file, times, top_label
from tests.cli.guess.test_kinds import KINDS, nested

HERE = Path(__file__).parents[2] / "data" / "guess"
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def rows(count: int = 200, first: int = 0, camera: str = "") -> Rows:
    return [
        {"id": f"x{first + n}", "time": str(at), "camera": camera or f"c{n % 3}", "score": p, "outcome": y}
        for n, (at, (p, y)) in enumerate(zip(times(count), binary(count), strict=True))
    ]


def parquet_file(path: Path, select: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({select}) TO {quote_text(str(path))} (FORMAT parquet)")
    return path


def guessed(asked: Path | str, directory: Path) -> Model:
    """The only model of what init would write there, written."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "rules").mkdir(exist_ok=True)
    own = Path(__file__).parents[3] / "monitor" / "cli" / "starter" / "own.toml"
    (directory / "rules" / "own.toml").write_text(own.read_text("utf-8"), "utf-8")
    (directory / "calwatch.toml").write_text(draft_config(str(asked), directory).text, "utf-8")
    (model,) = load_config(directory / "calwatch.toml").model
    return model


def init(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["init", *map(str, arguments)])
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out, said.err


def as_csv(base: Path) -> Path:
    return csv_file(base / "a.csv", rows())


def as_semicolons(base: Path) -> Path:
    return csv_file(base / "a.csv", rows(), delimiter=";")


def as_tabs_in_text(base: Path) -> Path:
    return csv_file(base / "a.txt", rows(), delimiter="\t")


def as_packed_csv(base: Path) -> Path:
    return csv_file(base / "a.csv.gz", rows())


def as_json_lines(base: Path) -> Path:
    return json_file(base / "a.jsonl", rows())


def as_packed_json_lines(base: Path) -> Path:
    return json_file(base / "a.ndjson.gz", rows())


def as_parquet(base: Path) -> Path:
    source = csv_file(base / "tmp.csv", rows())
    return parquet_file(base / "in" / "a.parquet", f"SELECT * FROM read_csv({quote_text(str(source))})")


def as_parquet_with_zones(base: Path) -> Path:
    source = csv_file(base / "tmp.csv", rows())
    select = (
        f"SELECT * REPLACE (time::TIMESTAMPTZ AS time, outcome = 1 AS outcome) FROM read_csv({quote_text(str(source))})"
    )
    return parquet_file(base / "in" / "a.parquet", select)


def as_unnamed_format(base: Path) -> Path:
    return csv_file(base / "predictions.log", rows())


def as_directory(base: Path) -> Path:
    return csv_file(base / "in" / "b.csv", rows(first=500)).parent if csv_file(base / "in" / "a.csv", rows()) else base


def as_folders_of_cameras(base: Path) -> Path:
    for number in range(3):
        csv_file(base / "in" / f"c{number}" / "a.csv", rows(100, 1000 * number, f"c{number}"))
    return base / "in"


def as_brackets_in_the_name(base: Path) -> Path:
    return csv_file(base / "a [1].csv", rows())


@pytest.mark.parametrize(
    "kind",
    [
        as_csv, as_semicolons, as_tabs_in_text, as_packed_csv, as_json_lines, as_packed_json_lines, as_parquet,
        as_parquet_with_zones, as_unnamed_format, as_directory, as_folders_of_cameras, as_brackets_in_the_name,
    ],
)  # fmt: skip
def test_every_row_of_the_file_can_be_taken_as_guessed(kind: Callable[[Path], Path], tmp_path: Path) -> None:
    model = guessed(kind(tmp_path), tmp_path / "watch")
    assert (model.task, model.slices) == ("binary", ("camera",))
    assert model.source[0].columns == {"sample_id": "id", "observed_at": "time"}
    found = check_config(tmp_path / "watch" / "calwatch.toml")
    assert (found.mistakes, found.notes) == ([], [])
    tried = 400 if kind is as_directory else 300 if kind is as_folders_of_cameras else 200
    assert f"{tried} rows of {tried} tried can be taken" in found.sources[0]
    assert f"{tried} with an outcome" in found.sources[0]


@pytest.mark.parametrize("unit", UNITS)
def test_numbers_of_time_are_told_by_their_size(unit: str, tmp_path: Path) -> None:
    written = [
        {**row, "time": int(at.replace(tzinfo=UTC).timestamp()) * UNITS[unit]}
        for row, at in zip(rows(), times(200), strict=True)
    ]
    model = guessed(csv_file(tmp_path / "a.csv", written), tmp_path / "watch")
    assert model.source[0].time_unit == unit
    source = quote_text(str(tmp_path / "a.csv"))
    model = guessed(parquet_file(tmp_path / "p" / "a.parquet", f"SELECT * FROM read_csv({source})"), tmp_path / "again")
    assert model.source[0].time_unit == unit


def test_a_long_file_that_is_sorted_by_camera_shows_all_its_cameras(tmp_path: Path) -> None:
    select = (
        "SELECT i AS id, TIMESTAMP '2026-11-01' + to_seconds(i) AS time, 'c' || (i // 20000) AS camera, "
        "(hash(i) % 1000) / 1000.0 AS score, (hash(i + 7) % 2)::INTEGER AS outcome FROM range(60000) AS t(i)"
    )
    draft = draft_config(str(parquet_file(tmp_path / "a.parquet", select)), tmp_path)
    (slices,) = [guess for guess in draft.guesses if guess.key == "slices"]
    assert slices.value == ["camera"]
    assert "3 values" in slices.why


def test_a_model_is_called_after_its_file_or_folder(tmp_path: Path) -> None:
    assert guessed(csv_file(tmp_path / "press-line_2026-01-31.csv", rows()), tmp_path / "one").name == "press-line"
    csv_file(tmp_path / "weld" / "camera=c1" / "a.csv", rows(camera="c1"))
    csv_file(tmp_path / "weld" / "camera=c2" / "a.csv", rows(first=500, camera="c2"))
    model = guessed(tmp_path / "weld", tmp_path / "two")
    assert (model.name, model.source[0].path) == ("weld", "../weld/**/*.csv")
    assert guessed(csv_file(tmp_path / "1.csv", rows()), tmp_path / "three").name == "model"


def test_labels_in_a_folder_of_their_own_become_a_source_of_labels(tmp_path: Path) -> None:
    whole = rows()
    csv_file(tmp_path / "in" / "preds" / "a.csv", [{k: v for k, v in row.items() if k != "outcome"} for row in whole])
    verdicts = [
        {"part": row["id"], "verdict": "defect" if row["outcome"] else "ok", "checked_at": f"{at}"}
        for row, at in zip(whole, times(200), strict=True)
    ]
    csv_file(tmp_path / "in" / "labels" / "a.csv", verdicts)
    model = guessed(tmp_path / "in", tmp_path / "watch")
    samples, labels = model.source
    assert (samples.holds, samples.path) == ("samples", "../in/preds/*.csv")
    assert (labels.holds, labels.path) == ("labels", "../in/labels/*.csv")
    assert labels.columns == {"sample_id": "part", "label": "verdict", "labelled_at": "checked_at"}
    assert (model.task, model.positive) == ("binary", "defect")


def test_a_path_is_relative_beside_or_below_the_directory_and_else_absolute(tmp_path: Path) -> None:
    file = as_csv(tmp_path)
    assert guessed(file, tmp_path).source[0].path == "a.csv"
    assert guessed(file, tmp_path / "watch").source[0].path == "../a.csv"
    assert guessed(file, tmp_path / "ops" / "watch").source[0].path == str(file)


def test_a_glob_stays_a_glob(tmp_path: Path) -> None:
    as_directory(tmp_path)
    assert guessed(str(tmp_path / "in" / "*.csv"), tmp_path / "watch").source[0].path == "../in/*.csv"


def test_files_beside_the_one_named_are_not_left_out_in_silence(tmp_path: Path) -> None:
    as_directory(tmp_path)
    draft = draft_config(str(tmp_path / "in" / "a.csv"), tmp_path)
    assert [key for key, _ in draft.todo] == ["path"]
    assert 'a glob such as "*.csv"' in draft.todo[0][1]


def test_folders_of_other_columns_are_left_out_and_told(tmp_path: Path) -> None:
    as_csv(tmp_path / "in" / "preds")
    csv_file(tmp_path / "in" / "weather" / "b.csv", [{"day": n, "rain": n % 3} for n in range(20)])
    draft = draft_config(str(tmp_path / "in"), tmp_path)
    assert any(key == "path" and "weather/b.csv has other columns" in what for key, what in draft.todo)


def test_ids_that_begin_anew_in_each_file_are_told(tmp_path: Path) -> None:
    for camera in ("c0", "c1"):
        csv_file(tmp_path / "in" / f"{camera}.csv", rows(100, 0, camera))
    draft = draft_config(str(tmp_path / "in"), tmp_path)
    assert any(key == "sample_id" and "comes again in other files" in what for key, what in draft.todo)


def test_what_was_guessed_is_said_twice_in_the_file_and_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = zip(times(200), top_label(["dent", "stain", "crack"], 200), strict=True)
    written: Rows = [
        {"uid": n, "when": at, "conf": p, "pred": a, "truth": b} for n, (at, (p, a, b)) in enumerate(drawn)
    ]
    code, out, _ = init(capsys, tmp_path / "watch", "--from", csv_file(tmp_path / "a.csv", written))
    text = (tmp_path / "watch" / "calwatch.toml").read_text("utf-8")
    assert code == 0
    held: dict[str, Any] = tomllib.loads(text)
    columns = held["model"][0]["source"][0]["columns"]
    assert columns == {
        "sample_id": "uid",
        "observed_at": "when",
        "score": "conf",
        "predicted_class": "pred",
        "label": "truth",
    }
    for name, own in columns.items():
        (line,) = [line for line in text.splitlines() if line.strip().startswith(f'{name} = "{own}"')]
        assert "# guessed: " in line
        assert f'  {name} = "{own}": ' in out
    for key in ('task = "multiclass"', "slices = []", 'time_zone = "UTC"'):
        assert f"  {key}: " in out
        assert any(key in line and "# guessed: " in line for line in text.splitlines())
    assert out.endswith(f"next: calwatch check --config {tmp_path}/watch/calwatch.toml\n")
    assert not (tmp_path / "watch" / "samples").exists()
    assert check_config(tmp_path / "watch" / "calwatch.toml").mistakes == []


def test_what_was_not_guessed_is_asked_for_in_the_file_and_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written: Rows = [{**row, "outcome": None, "label": "A" if row["outcome"] else "B"} for row in rows()]
    _, out, _ = init(capsys, tmp_path / "watch", "--from", csv_file(tmp_path / "a.csv", written))
    text = (tmp_path / "watch" / "calwatch.toml").read_text("utf-8")
    assert "not guessed, and left to you:\n  positive: " in out
    assert "# to do: positive: " in text
    assert '\n# positive = "…"\n' in text


def test_odd_names_and_words_break_neither_the_toml_nor_a_comment(tmp_path: Path) -> None:
    odd = 'bad "part"\\ \x7f'
    written: Rows = [
        {
            'id "x"': row["id"],
            "zeit\\": row["time"],
            "score": row["score"],
            "truth\n": odd if row["outcome"] else "ok\n# x",
        }
        for row in rows()
    ]
    model = guessed(json_file(tmp_path / "a.jsonl", written), tmp_path / "watch")
    assert model.source[0].columns == {"sample_id": 'id "x"', "observed_at": "zeit\\", "label": "truth\n"}
    assert model.positive == odd


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("nowhere.csv", "no such file"),
        ("*.nothing", "no such file"),
        ("s3://bucket/a.csv", "is not on this machine"),
        ("empty", "holds no Parquet, CSV or JSON Lines file"),
        ("header.csv", "holds no rows"),
        ("torn.parquet", "cannot be read"),
        ("list.json", "one object a line"),
    ],
)
def test_what_cannot_be_read_is_told_and_nothing_is_written(
    asked: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("header.csv").write_text("id,time,score\n", "utf-8")
    Path("torn.parquet").write_bytes(b"PAR1 torn")
    Path("list.json").write_text("[\n" + '{"id": 1},\n' * 30 + "{}]\n", "utf-8")
    code, _, err = init(capsys, "watch", "--from", asked)
    assert code == 2
    assert message in err
    assert "try: " in err
    assert not Path("watch").exists()
    with pytest.raises(UsageError):
        draft_config(asked, Path("watch"))


BINARY = ("binary", ["camera"])
MULTI = ("multiclass", ["camera"])
CASES: dict[str, tuple[str, list[str]]] = {
    "01-binary-label-and-prediction": BINARY,
    "03-image-id-as-sample-id": ("detection", ["camera"]),
    "04-ids-restart-per-camera-file": BINARY,
    "05-label-None-text": MULTI,
    "07-label-3-vs-3.0-in-some-files": MULTI,
    "09-labels-from-1": MULTI,
    "11-float32-1.0000001": BINARY,
    "14-time-GMT+8": BINARY,
    "15-time-BST": BINARY,
    "17-dst-fold-live": ("binary", []),
    "18-labels-join-nothing": BINARY,
    "20-json-slice-key-missing": BINARY,
    "22-sagemaker-capture": ("binary", []),
    "23-version-per-row": BINARY,
    "24-classes-in-wrong-order": ("multiclass", []),
    "26-logits-are-probabilities": ("multiclass", []),
    "27-percent-of-a-rare-class": BINARY,
    "28-outcome-minus-one": BINARY,
    "30-re-export-in-seconds": BINARY,
    "31-file-rewritten-shorter": BINARY,
    "32-label-withdrawn": BINARY,
    "36-time-python-logging": BINARY,
    "38-missed-objects-as-rows": BINARY,
}
MAPPED = {
    "01-binary-label-and-prediction": {"score": "y_pred_proba", "outcome": "y_true", "predicted_class": "y_pred"},
    "22-sagemaker-capture": {
        "sample_id": "eventMetadata.inferenceId",
        "observed_at": "eventMetadata.inferenceTime",
        "score": "captureData.endpointOutput.data",
    },
}
TOLD = {  # what is left to a person
    "03-image-id-as-sample-id": ["sample_id"],
    "04-ids-restart-per-camera-file": ["sample_id"],
    "15-time-BST": ["time_zone"],
    "22-sagemaker-capture": ["outcome"],
    "23-version-per-row": ["version"],
}


@pytest.mark.parametrize("case", CASES)
def test_an_input_that_people_have_is_understood(case: str, tmp_path: Path) -> None:
    model = guessed(HERE / case, tmp_path / "watch")
    assert (model.task, list(model.slices)) == CASES[case]
    assert model.source[0].columns == MAPPED.get(case, {})
    assert [key for key, _ in draft_config(str(HERE / case), tmp_path).todo] == TOLD.get(case, [])
    assert model.source[0].score_unit == ("percent" if case.startswith("27") else "probability")
    if case.startswith("28"):
        assert model.source[0].outcomes is not None
        assert (model.source[0].outcomes.true, model.source[0].outcomes.false) == (("1",), ("-1",))
    if case.startswith("24"):
        assert sorted(model.classes) == ["crack", "dent", "scratch", "stain"]
    if case.startswith("26"):
        assert model.source[0].logits_are == "probabilities"
    if case.startswith("18"):
        assert [source.holds for source in model.source] == ["samples", "labels"]


AWAITED: dict[tuple[object, object], str] = {
    (csv_file, nested): "nested values are of JSON",
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("write", [csv_file, json_file], ids=["csv", "json"])
def test_check_takes_every_row_of_every_kind_of_file(
    write: Callable[[Path, Rows], Path], kind: Callable[[], Rows], tmp_path: Path
) -> None:
    made = kind()
    if reason := AWAITED.get((write, kind)):
        pytest.skip(reason)
    guessed(write(tmp_path / ("a.csv" if write is csv_file else "a.jsonl"), made), tmp_path / "watch")
    found = check_config(tmp_path / "watch" / "calwatch.toml")
    assert found.mistakes == []
    assert f"{len(made)} rows of {len(made)} tried can be taken" in found.sources[0]
    assert f", {0 if kind is unlabelled else len(made)} with an outcome" in found.sources[0]


def test_names_that_slices_may_not_have_are_those_that_the_configuration_refuses() -> None:
    refused = set()
    for name in (*RESERVED_LABELS, *CANONICAL_COLUMNS):
        model = f'[[model]]\nname = "m"\ntask = "binary"\nsource.path = "x"\nslices = ["{name}"]\n'
        try:
            parse_config(model, "calwatch.toml", Path())
        except ConfigError:
            refused.add(name)
        parse_config(model.replace(f'"{name}"', f'"{dimension_name(name)}"'), "calwatch.toml", Path())
    assert refused == {*NO_DIMENSIONS, *OWN_COLUMNS}
