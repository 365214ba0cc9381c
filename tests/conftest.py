"""What the runner is told where the suite runs in several processes (``-n auto``): a file's tests stay together, in order,
for what they share; files that take long come first, so that no process waits for another's last one."""

import os
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.needs import Guard, mark
from tests.worlds.fixtures import make_world, world

__all__ = ["make_world", "world"]

ROOT = Path(__file__).parents[1]
MOST = 4  # processes: with more the longest file is what is waited for
# the files that take longest, in that order (`--durations=0` tells); others follow in their own order
LONG = (
    "tests/cli/test_demo.py",
    "tests/kills/test_kills.py",
    "tests/sources/ingest/test_small_splits.py",
    "tests/benchmarks/test_benchmarks_run.py",
    "tests/store/test_backup.py",
    "tests/sources/ingest/test_small_inputs.py",
    "tests/sources/times/test_times_pulled.py",
    "tests/sources/ingest/test_small_splits_pushed.py",
    "tests/engine/test_told_cycles.py",
    "tests/publish/test_browser.py",
    "tests/sources/ingest/test_rolled_back.py",
    "tests/deploy/test_prometheus_rules.py",
    "tests/engine/test_set_aside.py",
    "tests/sources/ingest/test_scores.py",
    "tests/engine/test_backtest.py",
    "tests/sources/renewal/test_renewal.py",
    "tests/sources/ingest/test_same_as_from_scratch.py",
    "tests/sources/ingest/test_withdrawn.py",
    "tests/sources/ingest/test_identity.py",
    "tests/engine/test_told_alarms.py",
    "tests/engine/test_daemon_killed.py",
    "tests/engine/test_daemon.py",
    "tests/engine/test_stopping.py",
    "tests/mutants/test_mutants.py",
    "tests/benchmarks/detectors/test_detectors.py",
    "tests/cli/test_tutorial.py",
    "tests/jobs/test_job_crashes.py",
    "tests/engine/test_played.py",
    "tests/publish/test_report.py",
    "tests/sources/ingest/test_bounded_labels.py",
    "tests/cli/test_play_poison.py",
    "tests/publish/test_api_fuzzed.py",
    "tests/store/test_damage.py",
    "tests/cli/test_played_elsewhere.py",
    "tests/sources/isolation/test_isolation.py",
    "tests/store/test_old_texts.py",
    "tests/store/test_levels.py",
    "tests/engine/stages/test_weigh.py",
    "tests/engine/check/test_findings.py",
    "tests/recalibration/test_class_logits.py",
    "tests/store/test_logits.py",
    "tests/sources/ingest/test_ingest.py",
    "tests/sources/renewal/test_renewed_outcomes.py",
    "tests/cli/test_cli.py",
    "tests/charts/test_drawing.py",
    "tests/sources/isolation/test_ended_over.py",
    "tests/recalibration/test_gate.py",
    "tests/store/test_archive.py",
    "tests/engine/test_before_the_lock.py",
    "tests/deploy/test_grafana_queries.py",
    "tests/statistics/test_evidence_disparity.py",
    "tests/engine/test_daemon_disk.py",
    "tests/publish/test_looking.py",
    "tests/store/test_snapshot.py",
    "tests/sources/test_inbox_together.py",
)


# how long an example takes says nothing on a machine with other work
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    # one more than there are cores: tests of daemons wait for them half of the time
    return min((os.cpu_count() or 1) + 1, MOST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files as units in the order they were collected in, unless ``--dist`` says else."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling  # only there where this hook is called

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


guard = Guard()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[Guard.KEY] = guard


@pytest.hookimpl(tryfirst=True)  # before those not asked for are taken out by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mark(items)
    if hasattr(config, "workerinput"):
        ranks = {ROOT / name: rank for rank, name in enumerate(LONG)}
        items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    guard.watch(item)
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    yield
    guard.judge()


def _escape_surrogates(value: Any) -> Any:
    """The same value with each lone surrogate in its strings written as an escape: text that UTF-8 can carry."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_escape_surrogates(key): _escape_surrogates(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return type(value)(_escape_surrogates(each) for each in value)  # type: ignore[call-arg]  # list or tuple
    return value


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A report whose captured log or failure holds a name that is no UTF-8 could not travel, and would end the whole run."""
    return _escape_surrogates((yield))
