"""Grafana's variables put into a query, as Grafana does it: "All" becomes its regular expression, many become (a|b)."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

INTERVALS = {
    "__interval": timedelta(hours=1),
    "__rate_interval": timedelta(hours=2),  # four scrapes, here of 30 minutes; or step + scrape, if longer
}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


def values(dashboard: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, str]:
    """What each variable of a dashboard stands for: what was chosen, else "All", else what is saved."""
    found = {}
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        if name in chosen:
            found[name] = chosen[name]
        elif variable.get("includeAll"):
            found[name] = variable["allValue"]
        else:
            found[name] = str(variable.get("current", {}).get("value", ""))
    return found


def substituted(query: str, known: Mapping[str, str]) -> str:
    """The query that Prometheus gets; KeyError where a variable is asked for that the dashboard does not have."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return f"{int(INTERVALS[name].total_seconds())}s" if name in INTERVALS else known[name]

    return _VARIABLE.sub(value, query)
