"""[[action]]: every mistake is told, no secret is; and payloads keep to their schema."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from monitor.config.actions import Action
from monitor.config.settings import parse_config
from monitor.engine.check.check import check_config
from monitor.jobs.actions.payload import payload_schema
from monitor.jobs.actions.routing import alert_calls, job_calls, merge_calls
from monitor.model import Alert, AlertState, Health, Job, JobState, Severity, Slice
from monitor.model.errors import ConfigError
from monitor.model.reasons import BY_HAND, Reason

NOW = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
NIGHT = Slice.of({"camera": "c3", "lighting": "night"})
MODEL = '[[model]]\nname = "m"\ntask = "binary"\nsource = { path = "in/*" }\n'


def _mistakes(section: str) -> str:
    with pytest.raises(ConfigError) as told:
        parse_config(MODEL + "[[action]]\n" + section, "calwatch.toml", Path())
    return told.value.message


def test_a_webhook_and_a_command_are_read() -> None:
    text = (
        '[[action]]\nname = "oncall"\nkind = "webhook"\nurl = "https://example.com/h?token=x"\nsecret = "env:KEY"\n'
        'headers = { Authorization = "file:token" }\non = ["firing", "resolved"]\n'
        '[[action]]\nname = "retrain"\nkind = "command"\ncommand = ["/bin/true"]\non = ["rejected"]\nmodels = ["m"]\n'
        'env = { TOKEN = "env:TOKEN", REGION = "eu" }\ntimeout = "2h"\n'
    )
    oncall, retrain = parse_config(MODEL + text, "calwatch.toml", Path()).action
    assert (oncall.where, oncall.secrets) == ("https://example.com/h", ("env:KEY", "file:token"))
    assert (retrain.timeout, retrain.where, retrain.secrets) == (timedelta(hours=2), "/bin/true", ("env:TOKEN",))
    assert (oncall.attempts, oncall.timeout) == (5, timedelta(seconds=30))


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ('name = "a"\nkind = "webhook"', 'calwatch.toml:5: action "a": a webhook needs "url"'),
        ('name = "a"\nkind = "command"', 'action "a": a command needs "command"'),
        ('name = "a"\nkind = "mail"', "kind must be 'webhook', 'command', 'slack' or 'email' (got 'mail')"),
        ('name = "recalibrate"\nkind = "command"\ncommand = ["x"]', 'name must not be "recalibrate", which is built in'),
        ('name = "a"\nkind = "command"\ncommand = ["x"]\nurl = "https://h/"', "url does not go with kind command"),
        ('name = "a"\nkind = "command"\ncommand = []', "must be a list that begins with a program"),
        ('name = "a"\nkind = "command"\ncommand = ["x"]\non = []', "on must have at least one entry"),
        ('name = "a"\nkind = "command"\ncommand = ["x"]\ntimeout = "0s"', "timeout must lie between 1s and 7d"),
        ('name = "a"\nkind = "command"\ncommand = ["x"]\nmodels = ["n"]', 'action "a": there is no model "n"'),
        ('name = "a"\nkind = "command"\ncommand = ["x"]\nenv = { CALWATCH_X = "1" }', "are set by calwatch"),
        ('name = "a"\nkind = "slack"', 'slack needs "url", the incoming webhook as env:NAME or file:PATH'),
        ('name = "a"\nkind = "slack"\nurl = "https://h/x"', "url of slack is a secret by itself"),
        ('name = "a"\nkind = "slack"\nurl = "env:U"\nsecret = "env:S"', "secret does not go with kind slack"),
        ('name = "a"\nkind = "email"', 'email needs "smtp", such as "smtp.example.org:587"'),
        ('name = "a"\nkind = "email"', 'email needs "to", a list of addresses'),
        ('name = "a"\nkind = "email"\nto = ["a@b\\nBcc: c@d"]', "must be a plain address such as"),
        ('name = "a"\nkind = "email"\nuser = "u"', "user and password go together"),
        ('name = "a"\nkind = "email"\npassword = "hunter2"', 'must name a secret as "env:NAME" or "file:PATH"'),
        ('name = "a"\nkind = "email"\nencryption = "none"\nuser = "u"\npassword = "env:P"', "must not travel in the clear"),
        ('name = "a"\nkind = "webhook"\nurl = "ftp://h/"', "must be a URL such as"),
        ('name = "a"\nkind = "webhook"\nurl = "https://h/"\nheaders = { Host = "x" }', "which calwatch sets itself"),
        ('name = "a"\nkind = "webhook"\nurl = "https://h/"\nsecrt = "env:X"', 'unknown key "secrt", did you mean "secret"?'),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(section: str, told: str) -> None:
    assert told in _mistakes(section)


@pytest.mark.parametrize(
    "section",
    [
        'url = "https://h/"\nsecret = "hunter2"',
        'url = "https://h/"\nsecret = ["hunter2"]',
        'url = "https://me:hunter2@h/"',
        'url = "htps://h/?token=hunter2"',
        'url = "https://[hunter2"',
        'url = "https://h/"\nheaders = { Authorization = "Bearer hunter2" }',
        'url = "https://h/"\nheaders = { X-Api-Key = "hunter2" }',
    ],
)
def test_a_secret_written_into_the_configuration_is_refused_and_not_repeated(section: str) -> None:
    message = _mistakes('name = "a"\nkind = "webhook"\n' + section)
    assert 'action "a"' in message
    assert "hunter2" not in message


def test_checking_names_the_secrets_that_are_missing_here(tmp_path: Path) -> None:
    (tmp_path / "calwatch.toml").write_text(
        MODEL + '[[action]]\nname = "a"\nkind = "webhook"\nurl = "env:CALWATCH_TEST_NO_SUCH"\n', "utf-8"
    )
    found = check_config(tmp_path / "calwatch.toml")
    assert 'action "a": env:CALWATCH_TEST_NO_SUCH: the environment variable is not set' in found.notes


def _actions(**settings: Any) -> list[Action]:
    return [Action(name="a", kind="command", command=("x",), **settings)]


def _alert(state: AlertState) -> Alert:
    return Alert(
        "m", "v1", "ece-high", NIGHT, Severity.PAGE, state, Health.OK, Reason.from_text("ECE at least 0.07"), 0.07, NOW, NOW,
        NOW, NOW if state is AlertState.RESOLVED else None, evaluated_at=NOW, onset=NOW - timedelta(hours=3),
    )  # fmt: skip


def _ended(state: JobState, kind: str = "recalibrate", **details: Any) -> Job:
    return Job(
        "0123456789ab", "m", kind, BY_HAND, NIGHT, NOW, state, finished_at=NOW, why=(Reason.from_text("accepted"),),
        details=details, attempts=1,
    )  # fmt: skip


def test_every_payload_keeps_to_the_schema() -> None:
    schema = payload_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jobs = [
        *alert_calls(_actions(), ["a"], _alert(AlertState.FIRING), NOW),
        *alert_calls(_actions(on=("resolved",)), ["a"], _alert(AlertState.RESOLVED), NOW),
        *job_calls(_actions(on=("promoted",)), _ended(JobState.PROMOTED, calibrator="x", method="beta",
                                                       before={"ece": 0.1, "n": 5}, after={"ece": None}), NOW),
        *job_calls(_actions(on=("rejected",)), _ended(JobState.REJECTED), NOW),
        *job_calls(_actions(on=("failed",)), _ended(JobState.FAILED, "rollback"), NOW),
        *job_calls(_actions(on=("rolled_back",)), _ended(JobState.DONE, "rollback"), NOW),
    ]  # fmt: skip
    events = []
    for job in jobs:
        payload: Any = job.details["payload"]
        jsonschema.validate(payload, schema)
        events.append(payload["event"])
        assert payload["at"] == "2026-03-01T12:00:00Z"
    assert sorted(events) == sorted(schema["properties"]["event"]["enum"])
    assert len({job.id for job in jobs}) == len(jobs)


def test_the_schema_refuses_what_is_not_described() -> None:
    (job,) = alert_calls(_actions(), ["a"], _alert(AlertState.FIRING), NOW)
    payload: Any = dict(job.details)["payload"]
    mistakes: tuple[dict[str, object], ...] = (
        {"event": "job.failed"},
        {"extra": 1},
        {"at": "yesterday"},
        {"alert": {}},
    )
    for wrong in mistakes:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**payload, **wrong}, payload_schema())


def test_actions_listen_to_what_they_name_and_the_end_of_an_action_calls_none() -> None:
    firing, resolved = _alert(AlertState.FIRING), _alert(AlertState.RESOLVED)
    assert alert_calls(_actions(), ["other"], firing, NOW) == []
    assert alert_calls(_actions(), ["a"], resolved, NOW) == []
    assert alert_calls(_actions(on=("promoted",)), ["a"], firing, NOW) == []
    assert job_calls(_actions(on=("promoted",)), _ended(JobState.REJECTED), NOW) == []
    assert job_calls(_actions(on=("promoted",), models=("n",)), _ended(JobState.PROMOTED), NOW) == []
    assert job_calls(_actions(on=("failed",)), _ended(JobState.FAILED, "action"), NOW) == []
    assert job_calls(_actions(on=("failed",)), _ended(JobState.CANCELLED), NOW) == []


def test_people_are_told_of_one_rule_once_a_cycle_and_programs_of_each_slice() -> None:
    mail = Action.model_validate(
        {"name": "mail", "kind": "email", "smtp": "h:25", "sender": "a@b.org", "to": ["c@d.org"], "encryption": "none"}
    )
    actions = [mail, *_actions()]
    firing = _alert(AlertState.FIRING)
    scopes = [NIGHT, Slice.of({"lighting": "night"}), Slice.of({"camera": "c3"})]
    alerts = [replace(firing, slice=scope) for scope in scopes] + [replace(firing, version="v2")]
    alerts += [replace(firing, rule="gap")]
    calls = merge_calls([job for one in alerts for job in alert_calls(actions, ["mail", "a"], one, NOW)], actions)
    programs = [job for job in calls if job.details["action"] == "a"]
    assert [job.scope for job in programs] == [one.slice for one in alerts]
    told: Any = [(job.trigger, job.scope, job.details["payload"]) for job in calls if job.details["action"] == "mail"]
    assert [(trigger, scope, payload.get("also")) for trigger, scope, payload in told] == [
        ("rule ece-high firing", Slice.of({"camera": "c3"}), ["lighting=night", NIGHT.text]),
        ("rule ece-high firing", NIGHT, None),
        ("rule gap firing", NIGHT, None),
    ]
    assert told[0][2]["alert"]["slice"] == "camera=c3"
