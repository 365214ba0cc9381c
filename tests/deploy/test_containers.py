"""Dockerfile, compose files and manifests: linted, valid, and of one mind with the rest of the repository."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config import load_config
from monitor.cycle import watch
from monitor.publish.access import Access, Caller
from monitor.tokens import Role, hash_of
from tests.deploy.prometheus_rule import TARGET, prometheus_rule
from tests.deploy.tools import DEPLOY, run

ROOT = DEPLOY.parent
KUBERNETES = DEPLOY / "kubernetes"
CORE = ["namespace", "networkpolicy", "service", "serviceaccount", "statefulset"]
FILLED = {"GRAFANA_PASSWORD": "of our own", "CALWATCH_TOKEN_HASH": hash_of("calwatch_" + "x" * 43)}
DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text("utf-8")


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def compose() -> Any:
    """The compose file with everything filled in, as docker-compose understands it."""
    path = DEPLOY / "compose" / "compose.yaml"
    told = run("docker-compose", "-f", path, "config", "--format", "json", environment=FILLED)
    assert (told.returncode, told.stderr) == (0, "")
    return json.loads(told.stdout)


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    linted = run("hadolint", DEPLOY / "docker" / "Dockerfile")
    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")


def test_the_image_is_not_root_and_takes_only_what_the_build_needs() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    copied = {name for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()}
    ignore = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text("utf-8").split("\n")
    assert copied == {line[1:] for line in ignore if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)


def test_the_health_check_of_the_image_is_a_program_that_runs_and_asks_healthz() -> None:
    (program,) = re.findall(r'^    CMD \["python", "-c", "(.+)"\]$', DOCKERFILE, re.MULTILINE)
    compile(program, "healthcheck", "exec")
    assert "127.0.0.1:9464/healthz" in program


@pytest.mark.parametrize("path", ["compose/calwatch.toml", "kubernetes/calwatch.toml"])
def test_the_shipped_configurations_are_valid_and_fit_the_containers(path: str) -> None:
    config = load_config(DEPLOY / path)
    watch(config)
    assert str(config.state_dir) == "/var/lib/calwatch"
    assert config.monitor.listen.endswith(":9464")


def test_compose_publishes_on_loopback_only_and_lets_nothing_write_its_root() -> None:
    services = compose()["services"]
    assert set(services) == {"calwatch", "prometheus", "alertmanager", "grafana"}
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert {port["host_ip"] for port in service["ports"]} == {"127.0.0.1"}, name


def test_compose_mounts_files_that_there_are() -> None:
    for name, service in compose()["services"].items():
        for volume in service["volumes"]:
            source = Path(volume["source"])
            if volume["type"] == "bind" and DEPLOY / "grafana" not in source.parents:
                assert source.exists(), f"{name}: {source}"


@pytest.mark.parametrize("secret", FILLED)
def test_compose_needs_secrets_of_ones_own(secret: str) -> None:
    path = DEPLOY / "compose" / "compose.yaml"
    refused = run("docker-compose", "-f", path, "config", "-q", environment={**FILLED, secret: ""})
    assert refused.returncode != 0
    assert secret in refused.stderr


def test_compose_shows_without_a_token_only_what_prometheus_and_the_health_check_ask_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in compose()["services"]["calwatch"]["environment"].items():
        monkeypatch.setenv(name, value)
    config = load_config(DEPLOY / "compose" / "calwatch.toml")
    access = Access.of(config.server, config.monitor.listen, config.base)
    assert access.without_token == {"health", "metrics"}
    assert access.tokens == ((FILLED["CALWATCH_TOKEN_HASH"], Caller("people", Role.READ)),)


def test_the_pod_and_the_service_monitor_take_their_token_from_one_secret() -> None:
    config = load_config(KUBERNETES / "calwatch.toml")
    (token,) = config.server.token
    pod = parsed(KUBERNETES / "statefulset.yaml")["spec"]["template"]["spec"]
    (mounted,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "token"]
    (item,) = mounted["items"]
    assert token.hash == f"file:{mount['mountPath']}/{item['path']}"
    (endpoint,) = parsed(KUBERNETES / "servicemonitor.yaml")["spec"]["endpoints"]
    credentials = endpoint["authorization"]["credentials"]
    assert (credentials["name"], credentials["key"], item["key"]) == (mounted["secretName"], "token", "hash")
    assert config.server.open_on(config.monitor.listen) == ("health",)  # what the kubelet asks for


def test_prometheus_in_compose_is_the_shipped_one_but_for_its_addresses() -> None:
    shipped, own = parsed(DEPLOY / "prometheus" / "prometheus.yml"), parsed(DEPLOY / "compose" / "prometheus.yml")
    text = json.dumps(shipped).replace("127.0.0.1:9464", "calwatch:9464").replace("127.0.0.1:9093", "alertmanager:9093")
    assert json.loads(text) == own


def test_the_starter_of_init_runs_the_same_prometheus() -> None:
    starter = parsed(ROOT / "monitor" / "starter" / "compose.yaml")["services"]
    assert starter["prometheus"]["image"] == compose()["services"]["prometheus"]["image"]


def test_the_manifests_fit_the_schemas_of_kubernetes() -> None:
    checked = run("kubernetes-validate", "--strict", *(KUBERNETES / f"{name}.yaml" for name in CORE))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (checked.stdout + checked.stderr).count(" passed for resource ") == len(CORE)


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "statefulset.yaml"
    text = (KUBERNETES / "statefulset.yaml").read_text("utf-8")
    wrong.write_text(text.replace("serviceName:", "servicename:"), "utf-8")
    assert run("kubernetes-validate", "--strict", wrong).returncode != 0


def test_kustomize_takes_every_manifest() -> None:
    listed = parsed(KUBERNETES / "kustomization.yaml")
    files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(listed["resources"]) == files
    (config,) = listed["configMapGenerator"]
    volumes = parsed(KUBERNETES / "statefulset.yaml")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "config", "configMap": {"name": config["name"]}} in volumes


def test_the_pod_is_restricted_single_and_probed() -> None:
    spec = parsed(KUBERNETES / "statefulset.yaml")["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["replicas"] == 1
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in DOCKERFILE
    assert container["securityContext"]["readOnlyRootFilesystem"]
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert probes == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/var/lib/calwatch", "/tmp"}


def test_the_service_monitor_selects_the_service_and_names_the_job_of_the_alerts() -> None:
    """Its schema is not to be had offline: the fields used are those of monitoring.coreos.com/v1."""
    monitor, service = parsed(KUBERNETES / "servicemonitor.yaml"), parsed(KUBERNETES / "service.yaml")
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "ServiceMonitor")
    assert set(monitor["spec"]) == {"jobLabel", "selector", "endpoints"}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "calwatch"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert set(endpoint) == {"port", "path", "interval", "honorLabels", "authorization"}
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_prometheus_rule_is_made_of_the_shipped_rules() -> None:
    text = TARGET.read_text("utf-8")
    assert text == prometheus_rule(), "make it with: python -m tests.deploy.prometheus_rule"
    groups = [
        group for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")) for group in parsed(path)["groups"]
    ]
    assert yaml.safe_load(text)["spec"]["groups"] == groups


@pytest.mark.server
def test_prometheus_takes_the_content_of_the_prometheus_rule(tmp_path: Path) -> None:
    content = tmp_path / "rules.yml"
    content.write_text(yaml.safe_dump(parsed(TARGET)["spec"]), "utf-8")
    checked = run("promtool", "check", "rules", content)
    assert checked.returncode == 0, checked.stdout + checked.stderr
