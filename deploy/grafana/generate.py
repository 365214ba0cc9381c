"""Write the dashboards, and the alerts that Grafana can manage itself: ``python -m deploy.grafana.generate``.

For a model with other slice dimensions: ``python -m deploy.grafana.generate --dimensions shift site``. Needs
``pip install 'calwatch[grafana]'`` and a checkout of the repository.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.alerts import alerting
from deploy.grafana.board import OWN_VARIABLES, Setting
from deploy.grafana.fleet import fleet
from deploy.grafana.itself import itself
from deploy.grafana.model import model
from deploy.grafana.one_slice import one_slice
from deploy.grafana.slices import Dimensions

HERE = Path(__file__).parent
COMMITTED = Setting(Dimensions(("camera", "lighting")), page="http://127.0.0.1:9464", runbooks="deploy/runbooks")
BOARDS: Mapping[str, Callable[[Setting], builders.Dashboard]] = {
    "fleet": fleet, "model": model, "slice": one_slice, "monitor": itself,
}  # fmt: skip


def dashboards(setting: Setting) -> dict[str, dict[str, Any]]:
    """Each dashboard by name, as Grafana's JSON."""
    return {name: _finished(make(setting)) for name, make in BOARDS.items()}


def _finished(board: builders.Dashboard) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(board.build(), cls=JSONEncoder))
    for number, panel in enumerate(found["panels"], start=1):
        panel["id"] = number  # links to a panel stay right
    for variable in found["templating"]["list"]:  # the SDK gives every variable the fields of an interval
        for name in ("auto", "auto_min", "auto_count"):
            del variable[name]
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """One query of a panel, as people see it: its title, what is asked, how the series are called."""

    panel: str
    query: str
    legend: str


def queries(dashboard: Mapping[str, Any]) -> Iterator[Shown]:
    """Every query of every panel of a dashboard, in the order in which they stand there; variables as they are written."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield Shown(panel["title"], target["expr"], target.get("legendFormat", ""))


def files(setting: Setting) -> dict[Path, str]:
    """All generated files, relative to this directory."""
    made = {
        Path("dashboards") / f"{name}.json": json.dumps(each, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        for name, each in dashboards(setting).items()
    }
    return {**made, Path("alerting") / "calwatch.yaml": alerting()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the files; see --help."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dimensions", nargs="+", default=COMMITTED.dimensions.names, metavar="NAME",
        help="slice dimensions as in calwatch.toml, the two to be mapped against each other first (camera lighting)",
    )  # fmt: skip
    parser.add_argument("--page", default=COMMITTED.page, help="address of calwatch's page, for links")
    parser.add_argument("--runbooks", default=COMMITTED.runbooks, help="address of the runbooks, for links")
    parser.add_argument("--into", type=Path, default=HERE, help="directory to write to (deploy/grafana)")
    asked = parser.parse_args(arguments)
    clash = OWN_VARIABLES.intersection(asked.dimensions)
    if clash:
        parser.error(f"dimension {min(clash)}: the dashboards use that name for a variable of their own")
    setting = Setting(Dimensions(tuple(asked.dimensions)), asked.page.rstrip("/"), asked.runbooks.rstrip("/"))
    for path, text in files(setting).items():
        target = asked.into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
