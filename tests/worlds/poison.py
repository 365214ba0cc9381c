"""Files that are well-formed and that no reader survives within its memory, made small; and readers that die of a file."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.worlds.store import a_row, at

MEMORY = "150MB"  # of the database that meets them
FUZZED = Path(__file__).parents[1] / "data" / "poison" / "fuzz_poison.parquet"

# of this process and of those it starts, once PYTHONPATH leads to it
_PATCH = """
import builtins, os, signal, time
real = builtins.open
def opened(path, *arguments, **named):
    name = os.path.basename(str(path))
    if name.startswith("killer"):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("crasher"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("sleeper"):
        time.sleep(3600)
    return real(path, *arguments, **named)
builtins.open = opened
"""


def poison_readers(base: Path, patch: pytest.MonkeyPatch) -> None:
    """From now on processes that are started die when they open a file called killer… or crasher…, and hang at sleeper…."""
    (base / "patch").mkdir()
    (base / "patch" / "sitecustomize.py").write_text(_PATCH, "utf-8")
    patch.setenv("PYTHONPATH", str(base / "patch"))


def _line(**values: object) -> str:
    return json.dumps({**a_row("p"), **values})


def flat_list(path: Path) -> None:
    """One row with a list of a quarter of a million numbers in a key that nobody reads."""
    path.write_text(_line()[:-1] + ', "embedding": [' + "0," * (1 << 18) + "0]}\n", "utf-8")


def deep_list(path: Path) -> None:
    """One row with lists in lists, a quarter of a million deep."""
    path.write_text(_line()[:-1] + ', "embedding": ' + "[" * (1 << 18) + "]" * (1 << 18) + "}\n", "utf-8")


def packed_list(path: Path) -> None:
    """The same as ``flat_list``, packed to a few kilobytes."""
    flat_list(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def struct_bomb(path: Path) -> None:
    """A slice column within a STRUCT, and logits of a quarter of a million classes: few KB of Parquet that unpack to 400 MB."""
    rows, classes = 400, 250_000
    logits = pa.ListArray.from_arrays(
        pa.array(range(0, (rows + 1) * classes, classes), pa.int32()), pa.array(np.zeros(rows * classes, np.float32))
    )
    columns = {
        "sample_id": [f"p{row}" for row in range(rows)], "score": [0.7] * rows, "outcome": [1] * rows,
        "observed_at": pa.array([at("2026-03-10 10:00:00")] * rows, pa.timestamp("us")),
        "place": pa.StructArray.from_arrays([pa.array(["p"] * rows)], ["camera"]), "logits": logits,
    }  # fmt: skip
    pq.write_table(pa.table(columns), path, compression="zstd")


def text_bomb(path: Path) -> None:
    """Texts of a megabyte each within a STRUCT that nobody reads: 3 KB of Parquet that would unpack to 400 MB."""
    rows = 400
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["p" * 1_000_000]))
    columns = {
        "sample_id": [f"p{row}" for row in range(rows)], "score": [0.7] * rows, "outcome": [1] * rows,
        "observed_at": pa.array([at("2026-03-10 10:00:00")] * rows, pa.timestamp("us")),
        "place": pa.StructArray.from_arrays([text], ["camera"]),
    }  # fmt: skip
    pq.write_table(pa.table(columns), path, compression="zstd")


POISON = {  # name of the file → what makes it
    "flat.jsonl": flat_list, "deep.jsonl": deep_list, "packed.jsonl.gz": packed_list, "struct.parquet": struct_bomb,
}  # fmt: skip
