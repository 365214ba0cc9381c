"""The log: one event is one line that nothing from outside can break, forge or colour; JSON is JSON whatever is told."""

import json
import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from monitor.engine.logs import configure_logging

FORGED = "x.csv\n2026-01-01T00:00:00Z [info     ] all is well\r\x1b[2K\x1b[31mred\x9b1m\x00\x7f\u2028\u202egnol\udc80"
ESCAPED = r"x.csv\n2026-01-01T00:00:00Z [info     ] all is well\r\x1b[2K\x1b[31mred\x9b1m\x00\x7f\u2028\u202egnol\udc80"
AT = datetime(2026, 1, 1, tzinfo=UTC)
LONE = "\udc80"  # of a file name that is no UTF-8


@pytest.fixture(autouse=True)
def log() -> Iterator[Any]:
    yield structlog.get_logger("calwatch")
    structlog.reset_defaults()


def _raised(text: str) -> None:
    raise ValueError(text)


def test_what_comes_from_outside_stays_in_its_line_and_does_nothing_to_the_terminal(
    log: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("text")
    log.warning("source problem", source=FORGED, listed=[FORGED], by={FORGED: FORGED}, path=Path("a\nb"), n=3)
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert all(character.isprintable() for character in text[:-1]), text
    assert f"source='{ESCAPED}'" in text
    assert "n=3" in text


def test_an_event_and_a_field_name_cannot_break_the_line_either(log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text")
    log.warning(FORGED, **{FORGED: 1})
    assert capsys.readouterr().err.count("\n") == 1


def test_ordinary_text_of_any_script_is_written_as_it_is(log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text")
    log.info("pulled", camera="Kühlraum−7", path="מצלמה📷", rows=12)
    text = capsys.readouterr().err
    assert text.rstrip().endswith("camera=Kühlraum−7 path=מצלמה📷 rows=12")


def test_a_traceback_stands_in_lines_that_no_message_in_it_can_forge(
    log: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("text")
    try:
        _raised(FORGED)
    except ValueError:
        log.exception("cycle failed", model="m")
    first, *rest = capsys.readouterr().err.splitlines()
    assert "cycle failed" in first
    assert any("Traceback (most recent call last)" in line for line in rest)
    assert any("in _raised" in line for line in rest)
    assert all(line.startswith("    ") or line == "" for line in rest), rest
    assert all(character.isprintable() for line in rest for character in line), rest


def test_json_stays_json_whatever_is_told(log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    values: dict[str, Any] = {
        "forged": FORGED, "lone": LONE, "nan": math.nan, "nested": {"inf": [math.inf, (-math.inf,)], ("a", 1): AT},
        "bytes": b"\xff\n", "path": Path("a\nb"),
    }  # fmt: skip
    log.warning(FORGED, **values)
    try:
        _raised(FORGED)
    except ValueError:
        log.exception("cycle failed")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    told, failed = (json.loads(line, parse_constant=refuse) for line in lines)
    assert told["forged"] == told["event"] == FORGED
    assert (told["nan"], told["nested"]["inf"]) == (None, [None, [None]])
    assert failed["exception"][0]["exc_value"] == FORGED
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_libraries_log_takes_the_same_form(log_format: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(log_format)
    logging.getLogger("apscheduler.scheduler").warning("Run of %s was missed", FORGED)
    try:
        _raised("no luck")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("it failed")
    missed, *failed = capsys.readouterr().err.splitlines()
    if log_format == "json":
        assert json.loads(missed) | {"timestamp": ""} == {
            "event": f"Run of {FORGED} was missed", "level": "warning", "logger": "apscheduler.scheduler", "timestamp": "",
        }  # fmt: skip
        assert json.loads(failed[0])["exception"][0]["exc_value"] == "no luck"
    else:
        assert f"Run of {ESCAPED} was missed" in missed
        assert "[apscheduler.scheduler]" in missed
        assert "it failed" in failed[0]
        assert any("ValueError: no luck" in line for line in failed)


def test_a_message_of_a_library_whose_arguments_do_not_fit_is_told_without_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("text")
    (ours,) = [each for each in logging.getLogger().handlers if type(each).__module__ == "monitor.engine.logs"]
    ours.emit(
        logging.makeLogRecord(
            {"msg": "missed by %d s", "args": ("x",), "name": "apscheduler", "levelno": logging.WARNING}
        )
    )
    assert "missed by %d s" in capsys.readouterr().err


def test_configuring_again_does_not_tell_twice(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text")
    configure_logging("text")
    logging.getLogger("apscheduler.scheduler").warning("missed")
    assert capsys.readouterr().err.count("missed") == 1


def test_what_libraries_tell_below_a_warning_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text")
    logging.getLogger("apscheduler.scheduler").info("Added job")
    assert capsys.readouterr().err == ""
