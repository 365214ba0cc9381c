"""Who sends files, labels, pushes and requests to a calwatch that is killed meanwhile, and keeps account of each."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from monitor.config.tokens import hash_of
from tests.worlds.line import write_file

TOKEN = "calwatch_" + "A" * 43
_ROWS, _LATE, _PUSHED, _CORRECTED = 60, 30, 20, 5
CONFIGURATION = """
[monitor]
state_dir = "state"
listen = "127.0.0.1:{port}"
cycle = "1s"
[[server.token]]
name = "writer"
role = "write"
hash = "{hash}"
[[action]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{hook}/"
on = ["firing", "resolved", "promoted", "rejected", "failed"]
attempts = 100
[[action]]
name = "slow"
kind = "command"
command = ["/bin/sh", "-c", "sleep 0.7"]
on = ["firing", "promoted", "rejected"]
attempts = 100
[[model]]
name = "m"
task = "binary"
slices = ["camera"]
windows = ["24h"]
min_samples = 50
rules = ["own.toml"]
[[model.source]]
name = "files"
path = "in/*"
[[model.source]]
name = "late"
path = "labels/*"
holds = "labels"
[[model.source]]
name = "pushed"
kind = "http"
[model.recalibration]
min_samples = 200
"""
_RULE = """
[[rule]]
name = "ece-high"
kind = "threshold"
metric = "ece_lower"
above = 0.02
clear_below = 0.01
window = "24h"
min_samples = 100
severity = "ticket"
actions = ["recalibrate", "hook", "slow"]
cooldown = "1m"
"""


def configure(base: Path, port: int, hook: int) -> Path:
    """A model with files, late labels and pushes, and a webhook that hears of alerts and jobs."""
    for folder in ("in", "labels"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    (base / "own.toml").write_text(_RULE, "utf-8")
    path = base / "calwatch.toml"
    path.write_text(CONFIGURATION.format(port=port, hook=hook, hash=hash_of(TOKEN)), "utf-8")
    return path


@dataclass(slots=True)
class Ledger:
    """All that was sent: ``outcomes`` of every id by its newest word, None where it has no label yet."""

    base: Path
    port: int
    ended: datetime  # rows are observed in the 20 hours before
    rng: np.random.Generator
    files: int = 0
    pushes: int = 0
    outcomes: dict[str, int | None] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    waiting: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)  # pushes not acknowledged yet
    acknowledged: int = 0
    asked: dict[str, datetime] = field(default_factory=dict)  # job → when it was acknowledged

    def write(self) -> None:
        """A file of labelled and unlabelled rows, labels of the one before, and a few corrections of it."""
        self.files += 1
        name = f"f{self.files:05}"
        columns = self._rows(name, _ROWS + _LATE)
        late = columns["sample_id"][_ROWS:]
        given = columns["outcome"].copy()
        columns["outcome"] = given.astype(object)
        columns["labelled_at"] = columns["labelled_at"].astype(object)
        for index in range(_ROWS, _ROWS + _LATE):
            columns["outcome"][index] = None
            columns["labelled_at"][index] = None
        write_file(self.base / "in" / f"{name}.csv", columns)
        self._know(columns)
        labels = {
            "sample_id": late,
            "labelled_at": np.full(_LATE, np.datetime64(self.ended.replace(tzinfo=None), "us")),
            "outcome": given[_ROWS:].astype(np.int64),
        }
        if self.rng.random() < 0.5:  # before or after their predictions
            self._label(name, labels)
        if self.files > 1:
            self._correct(f"f{self.files - 1:05}")
        if not (self.base / "labels" / f"{name}.parquet").exists():
            self._label(name, labels)

    def _rows(self, name: str, n: int) -> dict[str, Any]:
        first = np.datetime64((self.ended - timedelta(hours=20)).replace(tzinfo=None), "us")
        observed = first + self.rng.integers(0, 19 * 3600, n).astype("timedelta64[s]")
        score = self.rng.uniform(0.02, 0.98, n).round(6)
        camera = self.rng.choice(np.array(["c1", "c2", "c3"]), n)
        truth = np.where(camera == "c3", 0.5 + (score - 0.5) * 0.3, score)  # drift to be found
        return {
            "sample_id": np.array([f"{name}-{index}" for index in range(n)], dtype=object),
            "observed_at": observed,
            "labelled_at": observed + np.timedelta64(60, "s"),
            "score": score,
            "outcome": (self.rng.random(n) < truth).astype(np.int64),
            "camera": camera.astype(object),
        }

    def _know(self, columns: dict[str, Any]) -> None:
        for sample_id, score, outcome in zip(columns["sample_id"], columns["score"], columns["outcome"], strict=True):
            self.outcomes[sample_id] = None if outcome is None else int(outcome)
            self.scores[sample_id] = float(score)

    def _label(self, name: str, labels: dict[str, Any]) -> None:
        write_file(self.base / "labels" / f"{name}.parquet", labels)
        self.outcomes |= dict(zip(labels["sample_id"], map(int, labels["outcome"]), strict=True))

    def _correct(self, name: str) -> None:
        """Other outcomes for some of a file's labelled rows, with a later word."""
        ids = [f"{name}-{index}" for index in range(_CORRECTED)]
        outcomes = [1 - (self.outcomes[sample_id] or 0) for sample_id in ids]
        self._label(
            f"{name}-corrected",
            {
                "sample_id": np.array(ids, dtype=object),
                "labelled_at": np.full(len(ids), np.datetime64(self.ended.replace(tzinfo=None), "us")),
                "outcome": np.array(outcomes, dtype=np.int64),
            },
        )

    def push(self) -> None:
        """A new push; and all that were not acknowledged yet, under the same key, as a good client does."""
        self.pushes += 1
        name = f"p{self.pushes:05}"
        columns = self._rows(name, _PUSHED)
        self._know(columns)
        rows = [
            {
                "sample_id": sample_id, "observed_at": str(observed), "labelled_at": str(labelled), "score": float(score),
                "outcome": int(outcome), "camera": camera,
            }
            for sample_id, observed, labelled, score, outcome, camera in zip(*columns.values(), strict=True)
        ]  # fmt: skip
        self.waiting.append((name, rows))
        self.push_waiting()

    def push_waiting(self) -> None:
        """Once more what was not acknowledged."""
        for name, rows in list(self.waiting):
            status = self._post("/api/v1/models/m/samples", rows, {"Idempotency-Key": name})[0]
            if status in (200, 202):
                self.waiting.remove((name, rows))
                self.acknowledged += 1

    def ask(self) -> None:
        """A refit by hand."""
        status, answer = self._post("/api/v1/models/m/jobs", {"kind": "recalibrate"}, {})
        if status == 202:
            self.asked[answer["job"]] = datetime.now(UTC)

    def _post(self, path: str, body: object, headers: dict[str, str]) -> tuple[int, Any]:
        """Status and answer; 0 while nobody answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), method="POST",
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}", **headers},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, None
        except (OSError, ValueError):
            return 0, None
        except Exception as error:  # a connection cut within an answer raises what http.client has for it
            if type(error).__module__ != "http.client":
                raise
            return 0, None
