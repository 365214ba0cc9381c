"""What a command loads before it does anything: people wait for it each time, and so does every process that is started."""

import subprocess
import sys

import pytest

HEAVY = ("altair", "duckdb", "fastapi", "numpy", "onnx", "pyarrow", "pydantic", "scipy", "structlog", "uvicorn")


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("monitor.cli.app", HEAVY),
        ("monitor.jobs.worker", ("fastapi", "scipy", "uvicorn")),
        ("monitor.engine.once", ("altair", "fastapi", "onnx", "pyarrow", "scipy.optimize", "scipy.stats", "uvicorn")),
        # its distributions take longer to load than all of calwatch: quantiles come from scipy.special
        ("monitor.engine.daemon", ("altair", "onnx", "pyarrow", "scipy.optimize", "scipy.stats")),
    ],
)
def test_nothing_is_loaded_that_only_other_commands_need(module: str, unwanted: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert module in loaded
    assert sorted(set(loaded) & set(unwanted)) == []
