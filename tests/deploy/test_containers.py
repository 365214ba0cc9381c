"""Dockerfile, compose files and manifests: linted, valid, and of one mind with the rest of the repository."""

import json
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from monitor.config.settings import load_config
from monitor.config.tokens import Role, hash_of
from monitor.engine.cycle import build_watched
from monitor.publish.web.access import Access, Caller
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


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False), (None, False)])
def test_the_health_check_of_the_image_is_well_only_when_healthz_says_so(status: int | None, well: bool) -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert status is not None
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    (program,) = re.findall(r'^    CMD \["python", "-c", "(.+)"\]$', DOCKERFILE, re.MULTILINE)
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as answering:
        address = f"127.0.0.1:{answering.server_address[1]}"
        if status is None:
            answering.socket.close()
        else:
            Thread(target=answering.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        assert "127.0.0.1:9464" in program
        asked = subprocess.run(
            [sys.executable, "-c", program.replace("127.0.0.1:9464", address)],
            capture_output=True,
            timeout=30,
            check=False,
        )
        if status is not None:
            answering.shutdown()
    assert (asked.returncode == 0) is well


@pytest.mark.parametrize("path", ["compose/calwatch.toml", "kubernetes/calwatch.toml"])
def test_the_shipped_configurations_are_valid_and_fit_the_containers(path: str) -> None:
    config = load_config(DEPLOY / path)
    build_watched(config)
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
            if volume["type"] == "bind":
                assert Path(volume["source"]).exists(), f"{name}: {volume['source']}"
                assert volume["read_only"], f"{name}: {volume['source']}"


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
    access = Access.from_server(config.server, config.monitor.listen, config.base)
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


@pytest.mark.server
def test_prometheus_and_alertmanager_take_what_compose_mounts_into_them(tmp_path: Path) -> None:
    """Laid out under ``tmp_path`` as in the containers."""
    services = compose()["services"]
    for name, checker in (
        ("prometheus", ("promtool", "check", "config")),
        ("alertmanager", ("amtool", "check-config")),
    ):
        (option,) = [each for each in services[name]["command"] if each.startswith("--config.file=")]
        for volume in services[name]["volumes"]:
            if volume["type"] == "bind":
                target = tmp_path / volume["target"].lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(volume["source"])
        checked = run(*checker, tmp_path / option.removeprefix("--config.file=").lstrip("/"))
        assert checked.returncode == 0, checked.stdout + checked.stderr
        if name == "prometheus":
            found = sum(int(count) for count in re.findall(r"SUCCESS: (\d+) rules found", checked.stdout))
            assert found == sum(len(group["rules"]) for group in parsed(TARGET)["spec"]["groups"])


def test_what_a_container_writes_lies_on_a_volume_or_in_memory() -> None:
    state = {"calwatch": "/var/lib/calwatch", "prometheus": "/prometheus", "alertmanager": "/alertmanager",
             "grafana": "/var/lib/grafana"}  # fmt: skip
    for name, service in compose()["services"].items():
        volumes = {volume["target"] for volume in service["volumes"] if volume["type"] == "volume"}
        assert (volumes, service["tmpfs"]) == ({state[name]}, ["/tmp"]), name
    assert str(load_config(DEPLOY / "compose" / "calwatch.toml").state_dir) == state["calwatch"]
    assert f"VOLUME {state['calwatch']}" in DOCKERFILE


def test_the_network_policy_lets_prometheus_in_and_nothing_else_in_or_out() -> None:
    policy = parsed(KUBERNETES / "networkpolicy.yaml")["spec"]
    template = parsed(KUBERNETES / "statefulset.yaml")["spec"]["template"]
    labels, (container,) = template["metadata"]["labels"], template["spec"]["containers"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []
    (ingress,) = policy["ingress"]
    (who,) = ingress["from"]  # one entry with both selectors: "and"; two entries would be "or"
    assert who["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    assert who["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
    (port,) = ingress["ports"]
    assert port == {"protocol": "TCP", "port": "http"}
    assert {"name": "http", "containerPort": 9464} in container["ports"]
    (endpoint,) = parsed(KUBERNETES / "servicemonitor.yaml")["spec"]["endpoints"]
    (served,) = parsed(KUBERNETES / "service.yaml")["spec"]["ports"]
    assert (endpoint["port"], served["targetPort"], served["port"]) == ("http", "http", 9464)


def test_the_pod_cannot_become_more_than_it_is() -> None:
    pod = parsed(KUBERNETES / "statefulset.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    own = container["securityContext"]
    assert (own["allowPrivilegeEscalation"], own["capabilities"]) == (False, {"drop": ["ALL"]})
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    namespace = parsed(KUBERNETES / "namespace.yaml")["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_starter_of_init_runs_the_same_prometheus() -> None:
    starter = parsed(ROOT / "monitor" / "cli" / "starter" / "compose.yaml")["services"]
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
