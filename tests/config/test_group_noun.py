"""What a group of samples is called: by the task where nobody says, and refused where no count could be said with it."""

from pathlib import Path

import pytest

from monitor.config.settings import parse_config
from monitor.model import Task
from monitor.model.errors import ConfigError
from tests.worlds.boxes_line import detector_section
from tests.worlds.line import model_section


def noun_of(extra: str = "", task: str = "binary") -> str:
    section = model_section(extra=extra).replace('task = "binary"', f'task = "{task}"')
    return parse_config(section, "calwatch.toml", Path()).model[0].noun


@pytest.mark.parametrize(
    ("task", "noun"),
    [(Task.BINARY, "group"), (Task.MULTICLASS, "group"), (Task.DETECTION, "image"), (Task.SEGMENTATION, "image")],
)
def test_where_nobody_says_the_task_does(task: Task, noun: str) -> None:
    assert noun_of(task=task.value) == noun


@pytest.mark.parametrize("task", ["binary", "detection", "segmentation"])
@pytest.mark.parametrize("noun", ["clip", "study", "CT scan", "patient"])
def test_what_is_given_stands(noun: str, task: str) -> None:
    assert noun_of(f'group_noun = "{noun}"', task) == noun


def test_a_detector_whose_boxes_are_matched_may_call_its_images_frames() -> None:
    section = detector_section('policy = "precision>=0.8"', extra='group_noun = "frame"')
    assert parse_config(section, "calwatch.toml", Path()).model[0].noun == "frame"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('"images"', 'calwatch.toml:8: model "m": group_noun must be singular: "image" (got \'images\')'),
        ('"studies"', 'calwatch.toml:8: model "m": group_noun must be singular: "study" (got \'studies\')'),
        ('"sample"', 'calwatch.toml:8: model "m": group_noun must be what samples come in, not the samples: such as "image", '
                     '"clip" or "patient" (got \'sample\')'),
        ('"image_id"', 'calwatch.toml:8: model "m": group_noun must be a short word for one group, such as "image", "clip" or '
                       '"patient" (got \'image_id\')'),
        ('""', 'calwatch.toml:8: model "m": group_noun must be a short word for one group, such as "image", "clip" or '
               '"patient" (got \'\')'),
    ],
)  # fmt: skip
def test_a_name_that_makes_no_sense_is_refused_with_one_that_does(given: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        noun_of(f"group_noun = {given}")
    assert caught.value.mistakes == [told]


@pytest.mark.parametrize("given", ["3", "true", '["image"]', '"' + "very " * 8 + 'long"'])
def test_what_is_no_short_text_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="group_noun must"):
        noun_of(f"group_noun = {given}")
