"""``python -m tests.benchmarks.streams FOLDER``: real model outputs through drift evidence, and the days it alarms.

FOLDER holds public predictions with labels; ``real.py`` says which files and where they come from. Scores are calibrated
on an early stretch that is not judged, so that the stretch before the change is as honest as that fit: there should be no
alarm in it. Days count from 0; a delay of 1 is an alarm on the day of the change. The bundled demo is a real stream as
well: ``calwatch demo`` tells its alarm day itself.
"""

import argparse
from pathlib import Path

from monitor.statistics.drift.bets import Tolerance
from tests.benchmarks.streams.play import Played, play
from tests.benchmarks.streams.real import real_streams

TOLERANCES = {"none": Tolerance(), "odds 1.1": Tolerance("odds", 1.1)}
TITLES = ("stream", "slice", "tolerance", "samples", "stable days", "alarms there", "change", "alarm", "delay", "onset")
ROW = "{:<34} {:<8} {:<9} {:>7} {:>11} {:>12} {:>6} {:>6} {:>5} {:>5}  {}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.streams", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    asked = parser.parse_args(arguments)
    print(ROW.format(*TITLES, "direction"))
    for load in real_streams(asked.folder):
        try:
            stream = load()
        except FileNotFoundError as missing:
            print(f"not there: {missing}")
            continue
        for name, tolerance in TOLERANCES.items():
            for one in play(stream, tolerance):
                print(line(one, name), flush=True)


def line(one: Played, tolerance: str) -> str:
    """One row of the table; "-" where there is nothing to tell."""
    early = f"{len(one.early)} (day {one.early[0]})" if one.early else "0"
    numbers = ("-" if n is None else n for n in (one.change, one.alarm, one.delay, one.onset))
    return ROW.format(one.stream, one.slice, tolerance, one.samples, one.stable, early, *numbers, one.words or "-")


if __name__ == "__main__":
    main()
