from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1y", 31_536_000),
    ],
)
def test_number_and_unit_pairs_add_up(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "h", "1 h", "-1h", "1.5h", "1H", "1h ", "1h30", "soon", "１h\n"])
def test_anything_else_is_refused_with_what_was_found(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration") as raised:
        parse_duration(text)
    assert str(raised.value) == f'must be a duration such as "30m", "24h" or "7d" (got {text!r})'


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400_000)))
def test_what_is_formatted_reads_back_to_the_second(duration: timedelta) -> None:
    whole = timedelta(seconds=int(duration.total_seconds()))
    assert parse_duration(format_duration(duration)) == whole


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (5400, "1h30m"), (86_400, "1d"), (90_061, "1d1h1m1s")])
def test_formatting_is_the_shortest_text(seconds: int, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
