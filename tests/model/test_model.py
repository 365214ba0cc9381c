import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Slice, Task

NAMES = st.text(min_size=1, max_size=8)
LABELS = st.dictionaries(NAMES, st.text(max_size=12), max_size=4)


@given(LABELS)
def test_any_slice_reads_back_from_its_text(labels: dict[str, str]) -> None:
    assert Slice.parse(Slice.of(labels).text) == Slice.of(labels)


@given(LABELS, LABELS)
def test_different_slices_have_different_texts(one: dict[str, str], other: dict[str, str]) -> None:
    assert (Slice.of(one).text == Slice.of(other).text) == (one == other)


def test_the_text_is_sorted_by_dimension_and_the_whole_is_all() -> None:
    assert Slice.of({"lighting": "night", "camera": "c3"}).text == "camera=c3,lighting=night"
    assert Slice().text == "all"
    assert Slice.parse("all") == Slice()


def test_separators_inside_values_are_escaped() -> None:
    assert Slice.of({"camera": "a,b=c\\d\ne"}).text == "camera=a\\,b\\=c\\\\d\\ne"


@pytest.mark.parametrize("text", ["", "camera", "camera=1=2", "=1", "camera=1,", ",camera=1"])
def test_a_text_that_names_no_slice_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="slice must be") as raised:
        Slice.parse(text)
    assert repr(text) in str(raised.value)


@given(LABELS, LABELS)
def test_a_slice_contains_those_that_name_all_its_labels(one: dict[str, str], other: dict[str, str]) -> None:
    assert Slice.of(one).contains(Slice.of({**other, **one}))
    assert Slice().contains(Slice.of(other))
    assert Slice.of(one).contains(Slice.of(other)) == (one.items() <= other.items())


def test_the_slices_around_one_are_named_by_some_of_its_labels() -> None:
    own = Slice.of({"site": "b", "camera": "c1", "shift": "night"})
    names = [each.text for each in own.wider_slices(2)]
    assert names == [
        "camera=c1", "shift=night", "site=b", "camera=c1,shift=night", "camera=c1,site=b", "shift=night,site=b",
    ]  # fmt: skip
    assert list(own.wider_slices())[len(names) :] == [own]
    assert all(each.contains(own) for each in own.wider_slices())
    assert list(own.wider_slices(0)) == list(Slice().wider_slices()) == []


def test_the_order_of_a_slice_counts_its_labels() -> None:
    assert [Slice().order, Slice.of({"a": "1"}).order, Slice.of({"a": "1", "b": "2"}).order] == [0, 1, 2]


def test_every_task_says_which_event_its_score_speaks_of() -> None:
    assert all(task.event for task in Task)
