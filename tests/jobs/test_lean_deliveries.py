"""The processes of deliveries are many and short: they import what they need, and nothing of refits."""

import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "scipy",
    "duckdb",
    "apscheduler",
    "structlog",
    "matplotlib",
    "monitor.config.settings",
    "monitor.recalibration.refit",
)


@pytest.mark.parametrize("kind", ["webhook", "command"])
def test_the_process_of_a_call_imports_nothing_that_is_heavy(kind: str) -> None:
    module = f"monitor.jobs.actions.{kind}"
    program = f"import sys, monitor.jobs.worker, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], stdout=-1, check=True, text=True).stdout.split()
    assert module in loaded
    assert [name for name in HEAVY if name in loaded] == []
