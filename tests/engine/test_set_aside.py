"""Files set aside, as people meet them: ``once``, ``status``, ``retry``, ``check``, the page, the API, the metrics, pushes."""

import errno
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from monitor.cli.app import main
from monitor.engine.check.apart import check_in_process
from monitor.engine.check.check import check_config
from monitor.engine.check.watch import CheckWatch
from monitor.jobs.requests import leave_retry
from monitor.model import FileSetAside, ModelStatus, Published, Task
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.web.summary import Condition, summarise_model
from monitor.sources.isolation.alone import Failure
from tests.worlds.api import api_world
from tests.worlds.daemon import running
from tests.worlds.line import model_section, write_config
from tests.worlds.poison import MEMORY, POISON, flat_list, poison_readers
from tests.worlds.process import calwatch, free_port
from tests.worlds.store import a_row, write_csv, write_parquet

HELD = FileSetAside(
    "m", "samples", "/in/flat.jsonl", 2, "out_of_memory", "takes more memory than there is", "Write it smaller",
    datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC),
)  # fmt: skip
SAMPLES = "/api/v1/models/m/samples"
GAUGE = 'calwatch_files_set_aside{model="m",source="samples"}'
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Say:
    """Run a command inside this process, in a directory with a model: its exit code, and what it printed."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, model_section(rules=""), monitor=f'memory_limit = "{MEMORY}"')

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        structlog.reset_defaults()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def _good(path: Path, *ids: str) -> None:
    observed = str((datetime.now(UTC) - timedelta(hours=1)).replace(tzinfo=None))
    write_csv(path, [a_row(each, observed_at=observed, labelled_at=observed, lighting="day") for each in ids])


def test_once_says_what_it_could_not_read_and_fails_where_that_is_all_there_was(say: Say, tmp_path: Path) -> None:
    flat_list(tmp_path / "in" / "flat.jsonl")
    code, out, err = say("once")
    assert (code, "flat.jsonl: takes more memory" in out) == (1, True)
    assert "nothing that was new could be read" in err
    _good(tmp_path / "in" / "good.csv", "a1")
    code, out, _ = say("once")
    assert (code, "flat.jsonl: takes more memory" in out, "set aside until it changes" in out) == (0, True, True)
    code, out, _ = say("once", "--json")
    assert (code, len(json.loads(out)["set_aside"]), json.loads(out)["not_read"]) == (0, 1, [])
    code, out, _ = say("status")
    assert "SET ASIDE m/samples: " in out
    assert "Leave out long lists" in out


@pytest.mark.parametrize("names", [("flat.jsonl",), ("flat.jsonl", "packed.jsonl.gz")])
def test_a_file_that_is_set_aside_is_told_once_and_by_once_the_same_in_text_and_json(
    say: Say, tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        POISON[name](tmp_path / "in" / name)
    say("once")
    out = say("status")[1]
    assert [out.count(f"in/{name}") for name in names] == [1] * len(names), "tried once: a trouble of the source"
    (tmp_path / "in" / "bad.csv").write_text("sample_id\n1\n", "utf-8")
    for _ in range(2):
        say("once")
        _, out, _ = say("status")
        assert [out.count(f"in/{name}") for name in names] == [1] * len(names)
        assert out.count("SET ASIDE") == len(names)
        assert out.count("in/bad.csv") == 1
        answers = json.loads(say("status", "--json")[1])
        assert [Path(each["item"]).name for each in answers["files_set_aside"]] == sorted(names)
        assert not any(name in each["problem"] for each in answers["troubles"] for name in names)
    text = {line.removeprefix("not read: ") for line in say("once")[1].splitlines() if line.startswith("not read: ")}
    found = json.loads(say("once", "--json")[1])
    assert text == {*found["not_read"], *found["set_aside"]}
    assert len(found["set_aside"]) == len(names)


PERCENT = "sample_id,observed_at,score,outcome\n" + "".join(f"a{at},NOW,{at}.5,{at % 2}\n" for at in range(60))


@pytest.mark.parametrize("text", ["sample_id\n1\n", "garbage", PERCENT])
def test_once_fails_where_every_file_is_refused_and_not_where_one_could_be_read(
    say: Say, tmp_path: Path, text: str
) -> None:
    observed = str((datetime.now(UTC) - timedelta(hours=1)).replace(tzinfo=None))
    (tmp_path / "in" / "refused.csv").write_text(text.replace("NOW", observed), "utf-8")
    assert say("once")[0] == 1
    _good(tmp_path / "in" / "good.csv", "a1")
    code, out, _ = say("once")
    assert (code, "not read: " in out) == (0, True)


def test_once_over_nothing_new_is_fine(say: Say) -> None:
    assert say("once")[0] == 0


def test_retry_names_what_it_lets_go_and_what_it_does_not_know(say: Say, tmp_path: Path) -> None:
    flat_list(tmp_path / "in" / "flat.jsonl")
    say("once")
    assert say("retry")[:2] == (
        0,
        "no file is set aside; one that waits to be tried again is tried in the next cycle\n",
    )
    say("once")
    for arguments, told in (
        (("none",), 'has no model "none"'), (("m", "--source", "none"), 'has no source "none"'),
        (("m", "other.jsonl"), "other.jsonl: is not set aside"), (("m", "lat.jsonl"), "lat.jsonl: is not set aside"),
    ):  # fmt: skip
        code, _, err = say("retry", *arguments)
        assert (code, told in err, "Traceback" in err) == (2, True, False)
    code, out, _ = say("retry", "m", "in/flat.jsonl", "--source", "samples")
    assert (code, "released and tried again: " in out, "tried once" in out) == (1, True, True)
    say("once")
    config = tmp_path / "calwatch.toml"
    config.write_text(config.read_text("utf-8").replace(MEMORY, "1GB"), "utf-8")
    code, out, _ = say("retry", "m", "flat.jsonl")
    assert code == 0
    assert out.startswith("released and tried again: ")
    assert out.endswith("flat.jsonl: taken\n")


def test_a_request_to_let_go_that_makes_no_sense_is_nobodys_trouble(tmp_path: Path, say: Say) -> None:
    path = leave_retry(tmp_path / "state", "m", None, None)
    path.write_text('{"model": "m", "kind": "retry", "source": 3, "item": null}', "utf-8")
    assert say("once")[0] == 0
    assert path.with_suffix(".bad").exists()


@pytest.mark.parametrize("name", ["flat.jsonl", "deep.jsonl"])
def test_check_names_poison_and_tries_the_rest(tmp_path: Path, name: str) -> None:
    path = write_config(tmp_path, model_section(rules=""), monitor=f'memory_limit = "{MEMORY}"')
    POISON[name](tmp_path / "in" / name)
    _good(tmp_path / "in" / "good.csv", "a1", "a2")
    found = check_config(path)
    (told,) = [mistake for mistake in found.mistakes if name in mistake]
    assert "takes more memory to read than memory_limit" in told
    assert any("2 rows of 2 tried can be taken" in source for source in found.sources)


def test_check_names_files_that_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_config(tmp_path, model_section(rules=""))
    for name in ("crasher", "good", "killer"):
        _good(tmp_path / "in" / f"{name}.csv", name)
    poison_readers(tmp_path, monkeypatch)
    found = check_in_process(path, None)
    named = [mistake for mistake in found.mistakes if "ended the process that read it" in mistake]
    assert sorted(("SIGSEGV" in each, "crasher.csv" in each) for each in named) == [(False, False), (True, True)]
    assert any("1 row of 1 tried can be taken" in source for source in found.sources)


@pytest.mark.parametrize("where", ["tempfile.TemporaryDirectory", "tempfile.TemporaryFile", "subprocess.Popen"])
def test_check_without_room_for_temporary_files_says_so(say: Say, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"monitor.sources.isolation.apart.{where}", refuse)
    code, _, err = say("check")
    assert (code, "could not begin: No space left on device" in err, "TMPDIR" in err) == (1, True, True)


def test_check_names_a_file_that_ends_it_at_its_own_source_where_another_file_is_damaged_inside(tmp_path: Path) -> None:
    fine = '[[model.source]]\nname = "fine"\npath = "fine/*"\n'
    section = model_section(rules="", path="bad/*").replace("[model.source]", f'{fine}[[model.source]]\nname = "bad"')
    path = write_config(tmp_path, section)
    for name in ("bad/killer.csv", "fine/good.csv"):
        (tmp_path / name).parent.mkdir()
        _good(tmp_path / name, name)
    damaged = tmp_path / "bad" / "damaged.parquet"
    write_parquet(damaged, [a_row(f"d{at}", lighting="day") for at in range(50)])
    held = bytearray(damaged.read_bytes())
    held[4:200] = b"\xff" * 196
    damaged.write_bytes(held)
    known = {str(tmp_path / "bad" / "killer.csv"): Failure("crashed", "ended the process that read it")}
    told = check_config(path, None, CheckWatch(known=known)).mistakes
    assert [("killer.csv" in each, 'source "bad"' in each) for each in told] == [(False, True), (True, True)], told


def test_a_model_with_a_file_set_aside_is_unknown_and_says_why() -> None:
    status = ModelStatus("m", Task.BINARY, (), files_set_aside=(HELD,), sources=("samples", "calm"))
    found = summarise_model(status)
    assert found.condition is Condition.UNKNOWN
    assert any("1 file set aside, and missing from every number: /in/flat.jsonl" in reason for reason in found.reasons)
    registry = CollectorRegistry()
    MetricsCollector(registry).swap_snapshot(Published(HELD.last_tried_at, (status,)))
    text = generate_latest(registry).decode()
    assert f"{GAUGE} 1.0" in text
    assert 'calwatch_files_set_aside{model="m",source="calm"} 0.0' in text


@pytest.mark.parametrize("name", ["flat.jsonl", "deep.jsonl"])
def test_a_poisoned_push_is_refused_after_two_cycles_and_stops_no_other(tmp_path: Path, name: str) -> None:
    with api_world(tmp_path) as world:
        world.connection.execute(f"SET memory_limit = '{MEMORY}'")
        writer = world.client("write")
        POISON[name](tmp_path / name)
        good = [json.dumps(a_row(f"s{at}", observed_at="2026-03-01T06:00:00Z", labelled_at=None)) for at in range(2)]
        ids = []
        for body in (good[0].encode(), (tmp_path / name).read_bytes(), good[1].encode()):
            answer = writer.post(SAMPLES, content=body, headers={"Content-Type": "application/x-ndjson"})
            assert answer.status_code == 202, answer.text
            ids.append(answer.json()["id"])
        world.tick()
        states = [writer.get(f"{SAMPLES}/{each}").json()["state"] for each in ids]
        assert states == ["taken", "waiting", "taken"]
        world.tick()
        refused = writer.get(f"{SAMPLES}/{ids[1]}").json()
        assert refused["state"] == "refused"
        assert "takes more memory to read than memory_limit" in refused["problem"]
        assert "Leave out long lists" in refused["problem"]
        assert "It is kept as inbox/m/pushed/refused/" in refused["problem"]
        assert "sent again under another Idempotency-Key" in refused["problem"]
        assert len(list((tmp_path / "state" / "inbox" / "m" / "pushed" / "refused").iterdir())) == 1
        assert world.connection.execute("SELECT count(*) FROM files_set_aside").fetchone() == (0,)
        assert world.connection.execute("SELECT reason FROM source_notes").fetchall() == [("push_set_aside",)]


def test_page_and_api_show_files_set_aside(tmp_path: Path) -> None:
    with api_world(tmp_path, model_section(rules="")) as world:
        flat_list(tmp_path / "in" / "flat.jsonl")
        world.connection.execute(f"SET memory_limit = '{MEMORY}'")
        world.tick()
        world.tick()
        client = world.client("read")
        (item,) = client.get("/api/v1/files-set-aside").json()["items"]
        assert (item["source"], item["kind"], item["tries"]) == ("samples", "out_of_memory", 2)
        assert item["file"].endswith("in/flat.jsonl")
        assert client.get("/api/v1/files-set-aside?source=none").json()["items"] == []
        assert client.get("/api/v1/models").json()["items"][0]["files_set_aside"] == 1
        for path in ("/model?model=m", "/intake", "/intake?model=m", "/"):
            page = client.get(path).text
            assert "flat.jsonl" in page, path
            assert "Leave out long lists" in page, path


@pytest.mark.slow
@pytest.mark.server
def test_a_file_that_kills_the_daemon_is_found_on_the_next_start_and_let_go_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    section = model_section(rules="")
    poison_readers(tmp_path, monkeypatch)
    (tmp_path / "in").mkdir()
    for name in ("a", "killer", "z"):
        _good(tmp_path / "in" / f"{name}.csv", name)
    with running(tmp_path, port, section) as daemon:
        assert daemon.process.wait(60) == -9
    with running(tmp_path, port, section) as daemon:
        daemon.wait_metric(GAUGE, lambda value: value == 1)
        assert daemon.metric('calwatch_pulled_samples_total{model="m",source="samples"}') == 2
        done = calwatch("retry", "m", "killer.csv", cwd=tmp_path)
        assert (done.returncode, "the running daemon tries it again" in done.stdout) == (0, True)
        daemon.wait_metric(GAUGE, lambda value: value == 0)
        shutil.move(tmp_path / "in" / "killer.csv", tmp_path / "in" / "mended.csv")
        daemon.wait_metric('calwatch_pulled_samples_total{model="m",source="samples"}', lambda value: value == 3)
        assert daemon.stop() == 0
