"""The dashboards as they are committed: equal to what is generated, valid for Grafana, tidy, and honest about the unknown."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prometheus_client import CollectorRegistry

from deploy.grafana import generate
from deploy.grafana.alerts import RULES, written_out
from deploy.grafana.board import Setting
from deploy.grafana.slices import Dimensions
from monitor.publish.metrics.catalogue import HELP
from monitor.publish.metrics.instruments import Instruments
from tests.deploy.substituted import substituted, values
from tests.loops import each

DEPLOY = Path(__file__).parents[2] / "deploy"
GRAFANA = DEPLOY / "grafana"
SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "grafana" / "schema.json").read_text("utf-8"))
COMMITTED: dict[str, dict[str, Any]] = {
    name: json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text("utf-8")) for name in generate.BOARDS
}
OF_THE_SOURCE = {
    "expr",
    "titleFormat",
    "textFormat",
    "tagKeys",
    "useValueForTime",
}  # Grafana's Prometheus source reads these
SCRAPE = {"up", "scrape_samples_scraped", "scrape_duration_seconds"}  # Prometheus' own, of every target


def _panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, dashboard in COMMITTED.items():
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield name, panel


PANELS = list(_panels())
EACH_PANEL = each("panel", {f"{name}: {panel['title']}": panel for name, panel in PANELS})
EACH_BOARD = each("name", {name: name for name in sorted(COMMITTED)})


def test_what_is_committed_is_what_is_generated(tmp_path: Path) -> None:
    generate.main(["--into", str(tmp_path)])
    made = {path.relative_to(tmp_path): path.read_text("utf-8") for path in tmp_path.rglob("*.*")}
    assert len(made) == 5
    for path, text in made.items():
        assert text == (GRAFANA / path).read_text("utf-8"), f"{path}: run python -m deploy.grafana.generate"


@EACH_BOARD
def test_a_dashboard_fits_the_schema_of_grafana(name: str) -> None:
    dashboard = json.loads(json.dumps(COMMITTED[name]))
    for mark in dashboard["annotations"]["list"]:
        assert set(mark) >= OF_THE_SOURCE
        for field in OF_THE_SOURCE:
            del mark[field]
    jsonschema.validate(dashboard, SCHEMA["dashboard"])


@EACH_PANEL
def test_a_panel_fits_the_schema_of_its_kind(panel: dict[str, Any]) -> None:
    schemas = SCHEMA[panel["type"]]
    if "options" in panel:
        jsonschema.validate(panel["options"], schemas["options"])
    custom = panel["fieldConfig"]["defaults"].get("custom")
    if custom is not None:
        jsonschema.validate(custom, schemas["custom"])


def test_the_schema_does_find_mistakes() -> None:
    dashboard = {**COMMITTED["fleet"], "titel": "misspelt"}
    with pytest.raises(jsonschema.ValidationError, match="titel"):
        jsonschema.validate({**dashboard, "annotations": {"list": []}}, SCHEMA["dashboard"])
    options = {**PANELS[0][1]["options"], "colorMode": "pink"}
    with pytest.raises(jsonschema.ValidationError, match="pink"):
        jsonschema.validate(options, SCHEMA["stat"]["options"])


@EACH_PANEL
def test_a_panel_says_what_it_means_and_shows_the_unknown_as_unknown(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) >= 10
    assert panel["targets"]
    assert panel["fieldConfig"]["defaults"]["noValue"] in ("unknown", "nothing fires")
    if panel["type"] != "table":  # a table has a unit for each column
        assert "unit" in panel["fieldConfig"]["defaults"] or panel["type"] == "state-timeline"
    if panel["type"] == "stat":
        assert panel["options"]["reduceOptions"]["calcs"] == [
            "lastNotNull" if panel["options"]["textMode"] == "name" else "last"  # an old value is no answer
        ]
        (target,) = panel["targets"]
        if not target.get(
            "instant"
        ):  # over a range the last sample there is may be days old, unless something is put there
            assert target["range"]
            assert target["expr"].endswith(" or vector(NaN)")
    if panel["type"] == "timeseries":
        assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False


@EACH_PANEL
def test_an_axis_of_ece_starts_at_0(panel: dict[str, Any]) -> None:
    never_below = re.compile(r"calwatch_(ece|ece_lower|ece_upper|ece_null_quantile|drift_evidence_ratio|samples)\{")
    if panel["type"] == "timeseries" and any(never_below.search(target["expr"]) for target in panel["targets"]):
        assert panel["fieldConfig"]["defaults"]["custom"]["axisSoftMin"] == 0


@pytest.mark.parametrize("name", ["model", "slice"])
@pytest.mark.parametrize(("rate", "policies", "others"), [
    ("precision", ["precision>=0.95", "accuracy>=0.9"], ["recall>=0.9", "fp_per_image<=0.1"]),
    ("recall", ["recall>=0.9"], ["precision>=0.95", "fp_per_image<=0.1"]),
])  # fmt: skip
def test_a_live_rate_is_drawn_against_what_the_policy_promises_of_it(
    name: str, rate: str, policies: list[str], others: list[str]
) -> None:
    shown = [each for each in generate.queries(COMMITTED[name]) if each.panel == f"{rate.capitalize()} in production"]
    (promised,) = [each.query for each in shown if each.legend == "promised at least"]
    found = re.fullmatch(r'max\(calwatch_threshold_promised\{model="\$model", policy=~"(.+)"\}\)', promised)
    assert found is not None, promised
    assert [policy for policy in [*policies, *others] if re.fullmatch(found[1], policy)] == policies


@pytest.mark.parametrize("name", ["model", "slice"])
def test_false_positives_per_image_are_drawn_against_what_the_policy_promises_of_them(name: str) -> None:
    (panel,) = (each for each in COMMITTED[name]["panels"] if each["title"] == "False positives per image")
    asked = {target["legendFormat"]: target["expr"] for target in panel["targets"]}
    assert "calwatch_live_fp_per_image{" in asked["per image"]
    found = re.fullmatch(
        r'max\(calwatch_threshold_promised\{model="\$model", policy=~"(.+)"\}\)', asked["promised at most"]
    )
    assert found is not None
    policies = ["fp_per_image<=0.1", "precision>=0.95", "recall>=0.9", "accuracy>=0.9"]
    assert [policy for policy in policies if re.fullmatch(found[1], policy)] == ["fp_per_image<=0.1"]
    (drawn,) = (each for each in panel["fieldConfig"]["overrides"] if each["matcher"]["options"] == "promised at most")
    assert any("dash" in str(each["value"]) for each in drawn["properties"])


def test_the_table_of_thresholds_has_the_suppression_that_goes_with_each() -> None:
    (panel,) = (each for each in COMMITTED["model"]["panels"] if each["title"] == "Thresholds in use")
    asked = " ".join(target["expr"] for target in panel["targets"])
    assert "calwatch_threshold_nms_iou{" in asked
    assert "by (camera, lighting, policy, class) (calwatch_threshold_nms_iou{" in asked


@EACH_BOARD
def test_the_grid_is_clean(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    widths: dict[int, int] = {}
    for panel in COMMITTED[name]["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
        widths[at["y"]] = widths.get(at["y"], 0) + (24 if "repeat" in panel else at["w"])
    assert set(widths.values()) == {24}, widths
    ids = [panel["id"] for panel in COMMITTED[name]["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in COMMITTED[name]["panels"]]
    assert len(titles) == len(set(titles))


def _exposed() -> set[str]:
    """Names of all series that calwatch can expose."""
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    held = vars(instruments).values()
    every = [one for each in held for one in (each.values() if isinstance(each, dict) else (each,))]
    sources = [one for one in every if hasattr(one, "describe")]
    counted = {family.name: family.type for source in sources for family in source.describe()}
    found = set(HELP) | {
        "calwatch_config_last_reload_successful",
        "calwatch_config_last_reload_success_timestamp_seconds",
    }
    for name, kind in counted.items():
        found |= {f"{name}_total"} if kind == "counter" else {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    return found


def _queries() -> Iterator[tuple[str, str]]:
    for name, dashboard in COMMITTED.items():
        for shown in generate.queries(dashboard):
            yield f"{name}: {shown.panel}", shown.query
        for mark in dashboard["annotations"]["list"]:
            yield f"{name}: {mark['name']}", mark["expr"]
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{name}: ${variable['name']}", variable["query"]["query"]


def test_queries_ask_for_metrics_that_exist_and_need_no_recording_rules() -> None:
    for where, query in _queries():
        asked = set(re.findall(r"\b(?:calwatch|scrape)[_:][\w:]+|\bup\b", query))
        assert asked, where
        assert asked <= _exposed() | SCRAPE, where


@EACH_BOARD
def test_queries_and_links_use_only_variables_that_there_are(name: str) -> None:
    dashboard = COMMITTED[name]
    known = values(dashboard, {})
    for shown in generate.queries(dashboard):
        substituted(shown.query, known)  # raises KeyError for an unknown one
    for link in re.findall(r'"url": "([^"]*)"', json.dumps(dashboard)):
        for variable in re.findall(r"\$\{(\w+)(?::\w+)?\}", link):
            assert variable in known or variable.startswith("__"), link


def test_links_lead_to_dashboards_and_runbooks_that_exist() -> None:
    text = json.dumps(list(COMMITTED.values()))
    uids = {dashboard["uid"] for dashboard in COMMITTED.values()}
    assert set(re.findall(r"/d/([\w-]+)\?", text)) <= uids
    runbooks = set(re.findall(r"\$\{runbooks\}/(\w+\.md)", text))
    assert len(runbooks) > 15
    assert all((DEPLOY / "runbooks" / name).exists() for name in runbooks)


def test_a_link_to_a_slice_names_every_dimension() -> None:
    for link in re.findall(r"/d/calwatch-slice\?[^\"]*", json.dumps(COMMITTED)):
        assert "var-camera=" in link
        assert "var-lighting=" in link


def test_other_dimensions_make_other_dashboards(tmp_path: Path) -> None:
    generate.main(["--dimensions", "shift", "site", "window", "--into", str(tmp_path)])
    text = (tmp_path / "dashboards" / "model.json").read_text("utf-8")
    assert "camera" not in text.replace("broken camera", "")
    assert "lighting" not in text
    dashboard = json.loads(text)
    variables = [each["name"] for each in dashboard["templating"]["list"]]
    assert variables[-3:] == ["shift", "site", "slice_window"]  # a name that calwatch uses itself
    maps = [panel["title"] for panel in dashboard["panels"] if "×" in panel["title"]]
    assert maps == ["ECE at least: shift × site", "Drift evidence: shift × site",
                    "ECE at least: site × slice_window", "Drift evidence: site × slice_window"]  # fmt: skip
    jsonschema.validate({**dashboard, "annotations": {"list": []}}, SCHEMA["dashboard"])


def test_one_dimension_is_enough() -> None:
    made = generate.dashboards(Setting(Dimensions(("line",)), page="http://x", runbooks="r"))
    assert not [panel for panel in made["model"]["panels"] if "×" in panel["title"]]


def test_a_dimension_named_like_a_variable_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        generate.main(["--dimensions", "page"])
    assert stopped.value.code == 2
    assert "dimension page: the dashboards use that name" in capsys.readouterr().err


def test_a_dashboard_lists_its_queries_by_panel() -> None:
    listed = list(generate.queries(COMMITTED["slice"]))
    found = [each for each in listed if each.panel == "ECE of this slice"]
    assert [each.legend for each in found] == ["by luck", "at most", "at least", "ECE"]
    assert "calwatch_ece{" in found[-1].query


def _alerts() -> list[dict[str, Any]]:
    found = yaml.safe_load((GRAFANA / "alerting" / "calwatch.yaml").read_text("utf-8"))
    return [rule for group in found["groups"] for rule in group["rules"]]


def test_grafanas_alerts_are_those_of_prometheus() -> None:
    shipped = {}
    for path in RULES.glob("*.yml"):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            shipped.update({rule["alert"]: rule for rule in group["rules"] if "alert" in rule})
    made = {rule["title"]: rule for rule in _alerts()}
    assert set(made) == set(shipped)
    for title, rule in made.items():
        assert rule["for"] == shipped[title].get("for", "0s")
        labels = shipped[title].get("labels", {})
        assert set(rule["labels"]) == set(labels)
        assert rule["labels"].get("severity") == labels.get("severity")
        assert (DEPLOY.parent / rule["annotations"]["runbook_url"]).exists()


def _provisioned(text: str) -> str:
    """A label as it is once Grafana has put in its environment: ``$name`` is a variable (there is none), ``$$`` a dollar."""
    return re.sub(r"\$(\$|\w+|\{\w+\})", lambda found: "$" if found[1] == "$" else "", text)


def test_a_label_of_grafanas_alerts_outlives_the_environment_that_is_put_in() -> None:
    (slice_,) = {_provisioned(rule["labels"]["slice"]) for rule in _alerts() if "slice" in rule["labels"]}
    assert "range $name, $value := $labels" in slice_
    assert slice_.endswith('{{ or $slice "all" }}')


def test_grafanas_alerts_keep_to_its_format() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yaml").read_text("utf-8"))
    uid = source["datasources"][0]["uid"]
    uids = [rule["uid"] for rule in _alerts()]
    assert len(uids) == len(set(uids))
    for rule in _alerts():
        assert len(rule["uid"]) <= 40  # Grafana's limit
        assert [stage["refId"] for stage in rule["data"]] == ["A", "B", rule["condition"]]
        assert rule["data"][0]["datasourceUid"] == uid
        assert "calwatch:" not in rule["data"][0]["model"]["expr"]
        unfolded = [_provisioned(text) for text in rule["labels"].values()]
        for text in (*rule["annotations"].values(), *unfolded):
            assert not re.search(
                r"\{\{[^}]*\$value\b", text.replace("range $name, $value", "").replace("$name $value", "")
            ), text
            if "range $name" in text:
                assert "range $name, $value := $labels" in text
                assert "|grafana_folder|" in text


def test_a_recorded_series_is_written_out_with_its_matchers() -> None:
    recorded = {"calwatch:age": "time() - calwatch_last", "calwatch:share": 'calwatch_a{x="y"} / calwatch_b'}
    assert written_out('calwatch:age{stage="pull"} > 1', recorded) == '(time() - calwatch_last{stage="pull"}) > 1'
    assert written_out("calwatch:share", recorded) == '(calwatch_a{x="y"} / calwatch_b)'
    found = written_out('calwatch:share{s="t"}', recorded)
    assert found == '(calwatch_a{x="y", s="t"} / calwatch_b{s="t"})'


def test_provisioning_reads_the_dashboards_where_the_compose_file_mounts_them() -> None:
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "calwatch.yaml").read_text("utf-8"))
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))
    (one,) = provider["providers"]
    assert f"../grafana/dashboards:{one['options']['path']}:ro" in compose["services"]["grafana"]["volumes"]
