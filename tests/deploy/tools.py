"""The programs that check what is deployed, and where they come from."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
CHECKS = "pip install -r deploy/checks.txt"
ORIGIN = {
    "chromium": "apt-get update && apt-get install -y chromium",
    "prometheus": "apt-get update && apt-get install -y prometheus",
    "promtool": "apt-get update && apt-get install -y prometheus",
    "prometheus-alertmanager": "apt-get update && apt-get install -y prometheus-alertmanager",
    "amtool": "apt-get update && apt-get install -y prometheus-alertmanager",
    "systemd-analyze": "apt-get update && apt-get install -y systemd",
    "hadolint": CHECKS,
    "docker-compose": CHECKS,
    "kubernetes-validate": CHECKS,
}


def needed(program: str) -> str:
    """Path of a program. Missing, the test is skipped and says what to install; where CI should have it, it fails."""
    found = shutil.which(program)
    if found is None:
        told = f"{program} is missing: {ORIGIN[program]}"
        if os.environ.get("CALWATCH_CI"):
            pytest.fail(told)
        pytest.skip(told)
    return found


def run(
    program: str, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a needed program to its end."""
    return subprocess.run(
        [needed(program), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "GOGC": "400", **(environment or {})},  # promtool collects garbage for a third of its time
    )  # fmt: skip
