"""``python -m tests.mutants NUMBER …`` shows mutants and tries each alone."""

import argparse
import tempfile
from pathlib import Path

from monitor.cli.output import print_line

from .herd import DiedError, Herd, make_mutant, run_batch, world_of


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("number", nargs="+", type=int)
    parser.add_argument("--keep", type=Path, help="write the mutants here")
    chosen = parser.parse_args()
    for number in chosen.number:
        mutant = make_mutant(number)
        print_line(f"{number}: {mutant.name}, {len(mutant.content):,} bytes, for {world_of(number).name}: {mutant.how}")
        if chosen.keep:
            chosen.keep.mkdir(parents=True, exist_ok=True)
            (chosen.keep / mutant.name).write_bytes(mutant.content)
        with tempfile.TemporaryDirectory() as room:
            herd = Herd(Path(room) / "state", world_of(number))
            try:
                print_line("  " + ("\n  ".join(run_batch(herd, [number], None)) or "all is well"))
            except DiedError as error:
                print_line(f"  {error}")
            finally:
                herd.end()


if __name__ == "__main__":
    main()
