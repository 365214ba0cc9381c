"""The systemd unit: no unknown key, a low exposure, and the paths its documentation names."""

import re
import sys
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, run

UNIT = DEPLOY / "systemd" / "calwatch.service"
EXPOSURE = 1.2  # of 10; measured 1.1 with systemd 252


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program in its place that is here."""
    copy = tmp_path / "calwatch.service"
    text = UNIT.read_text("utf-8")
    assert "/opt/calwatch/bin/calwatch" in text
    copy.write_text(text.replace("/opt/calwatch/bin/calwatch", sys.executable), "utf-8")
    return copy


def test_systemd_understands_every_line(unit: Path) -> None:
    verified = run("systemd-analyze", "verify", unit)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_an_unknown_key_would_be_told(unit: Path) -> None:
    unit.write_text(unit.read_text("utf-8").replace("ProtectHome=", "ProtectHouse="), "utf-8")
    assert "ProtectHouse" in run("systemd-analyze", "verify", unit).stderr


def test_its_exposure_is_low(unit: Path) -> None:
    told = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit).stdout
    (score,) = re.findall(r"Overall exposure level for calwatch\.service: ([\d.]+)", told)
    assert float(score) <= EXPOSURE, told


def test_its_user_is_the_one_that_sysusers_makes() -> None:
    user = re.findall(r"^User=(.+)$", UNIT.read_text("utf-8"), re.MULTILINE)
    made = re.findall(r"^u (\S+)", (DEPLOY / "systemd" / "calwatch.sysusers").read_text("utf-8"), re.MULTILINE)
    assert user == made
