"""Links to pictures, wherever images are named: the page, a report and the API; and where the page may show them from."""

import re
from contextlib import closing
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from monitor.config.settings import Model, load_config
from monitor.model.history import LargestError
from monitor.publish.report.collect import collect_report
from monitor.publish.report.page import report_page
from monitor.publish.web.images import link_image, link_sample, list_origins
from monitor.publish.web.middleware import SECURITY
from monitor.store.connection import open_live
from monitor.store.published.queries import Snapshot
from monitor.store.published.reader_pool import Archive
from tests.sources.boxes.detector import ALL, TAKEN, a_box, an_image, source
from tests.worlds.levels import run_cycle
from tests.worlds.page import Site
from tests.worlds.store import NOW, write_csv

HOSTILE = (
    'a"onerror="x', "<img src=x onerror=alert(1)>", "javascript:alert(1)", "a\nb", "..", "../../etc", "100%", "%2e%2e/x",
    "'><b>", "a\\b", "{camera}", "//evil.example/x", "a b",
)  # fmt: skip
ADDRESS = "https://images.example.org/a/{camera}/{image_id}/full"
POLICY = "Content-Security-Policy"


def write_detector(base: Path, settings: str = f'image_url = "{ADDRESS}"\n') -> Path:
    """A detector whose boxes are all wrong, in images with hostile names, and one that is right."""
    base.mkdir(exist_ok=True)
    head = f'[[model]]\nname = "m"\ntask = "detection"\nmin_samples = 1\nslices = ["camera"]\nrules = []\n{settings}'
    (base / "calwatch.toml").write_text(head + "".join(map(source, ALL)), "utf-8")
    names = (*HOSTILE, "right")
    rows = {
        "images": [an_image(name, camera="c/1") for name in names],
        "detections": [a_box(name, score=0.5 + index / 100) for index, name in enumerate(names)],
        "truth": [a_box("right"), *({**a_box(name), **dict.fromkeys("xywh"), "class": None} for name in HOSTILE)],
    }
    for holds, held in rows.items():
        (base / holds).mkdir()
        write_csv(base / holds / "1.csv", held)
    return base


def write_classifier(base: Path, address: str, group: bool) -> Path:
    base.mkdir(exist_ok=True)
    (base / "calwatch.toml").write_text(
        f'[[model]]\nname = "m"\ntask = "binary"\nmin_samples = 1\nrules = []\nimage_url = "{address}"\n'
        '[model.source]\npath = "in/*.csv"\n',
        "utf-8",
    )
    (base / "in").mkdir()
    rows = [
        {"sample_id": f"s{number}", "observed_at": TAKEN, "labelled_at": TAKEN, "score": 0.9 - number / 100, "outcome": 0,
         **({"group_id": f"g{number // 2}"} if group else {})}
        for number in range(6)
    ]  # fmt: skip
    write_csv(base / "in" / "1.csv", rows)
    return base


class Shown:
    """What one cycle over a configuration shows."""

    def __init__(self, base: Path) -> None:
        tick = run_cycle(base, NOW)
        assert not tick.failed
        self.config = load_config(base / "calwatch.toml")
        self.base = base
        with closing(open_live(self.config.state_dir, now=NOW)) as connection:
            archive = Archive(connection)
            client = Site(tick.published, NOW, self.config, archive).client
            self.answer = client.get("/images?model=m")
            self.overview = client.get("/")
            self.style = client.get("/style.css")
            self.listed = client.get("/api/v1/largest-errors?model=m")
            self.second = client.get("/api/v1/largest-errors?model=m&limit=2&offset=1").json()
            self.unknown = client.get("/api/v1/largest-errors?model=none").status_code
            assert archive.close()
        with Snapshot(self.config.state_dir) as snapshot:
            self.report = report_page(collect_report(snapshot, "m"), "it is right", self.config.model[0])

    @property
    def html(self) -> str:
        assert self.answer.status_code == 200, self.answer.text
        return self.answer.text


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return Shown(write_detector(tmp_path_factory.mktemp("hostile")))


def addresses(html: str) -> list[str]:
    """What links and pictures lead elsewhere, as a browser reads them."""
    return [
        unescape(found)
        for found in re.findall(r'(?:href|src)="([^"]*)"', html)
        if "://" in found or "javascript" in found
    ]


def demand_own_addresses(found: list[str]) -> None:
    assert found
    for address in found:
        parts = urlsplit(address)
        assert (parts.scheme, parts.netloc) == ("https", "images.example.org")
        assert parts.path.startswith("/a/c%2F1/")
        assert parts.path.endswith("/full")
        assert unquote(parts.path.split("/")[3]) in (*HOSTILE, "right")


def test_hostile_ids_lead_nowhere_else_and_close_no_mark(hostile: Shown) -> None:
    for html in (hostile.html, hostile.report):
        demand_own_addresses(addresses(html))
        assert "<img src=x" not in html
        assert "<b>" not in html.partition("<tbody>")[2].partition("</tbody>")[0].replace("<b>0.", "")
        assert not re.search(r"<[^>]*\sonerror", html)


def test_every_image_is_named_and_all_but_the_one_that_steps_out_are_linked(hostile: Shown) -> None:
    items = hostile.listed.json()["items"]
    assert [item["group_id"] for item in items[:13]] == [*HOSTILE[::-1]]
    assert items[-1]["group_id"] == "right"
    for item in items:
        assert (item["image_url"] is None) == (item["group_id"] == "..")
    demand_own_addresses([item["image_url"] for item in items if item["image_url"]])
    linked = [item["image_url"] for item in items if item["image_url"]]
    on_page = addresses(hostile.html)
    assert on_page[: len(linked)] == linked
    # below them the objects that were invented: all boxes but the right one
    assert sorted(on_page[len(linked) :]) == sorted(set(linked) - {items[-1]["image_url"]})
    assert (items[0]["score"], items[0]["rate"], items[0]["labels"]) == (0.62, 0.0, {"camera": "c/1"})


def test_the_list_comes_in_pages(hostile: Shown) -> None:
    whole = hostile.listed.json()
    assert (whole["total"], whole["next_offset"]) == (14, None)
    assert hostile.second["items"] == whole["items"][1:3]
    assert (hostile.second["total"], hostile.second["next_offset"], hostile.unknown) == (14, 3, 404)


def test_without_show_images_the_page_loads_nothing_from_elsewhere(hostile: Shown) -> None:
    assert "<img" not in hostile.html
    assert hostile.answer.headers[POLICY] == SECURITY[POLICY]


def test_pictures_are_shown_small_late_and_named_from_exactly_their_origin(tmp_path: Path) -> None:
    settings = 'image_url = "https://Images.example.org:8443/{image_id}.jpg"\nshow_images = true\n'
    shown = Shown(write_detector(tmp_path / "m", settings))
    own = SECURITY[POLICY].replace("img-src 'self' data:;", "img-src 'self' data: https://images.example.org:8443;")
    assert shown.answer.headers[POLICY] == own != SECURITY[POLICY]
    assert shown.overview.headers[POLICY] == own
    assert shown.listed.headers[POLICY] == shown.style.headers[POLICY] == SECURITY[POLICY]
    pictures = re.findall(r"<img [^>]*>", shown.html)
    assert len(pictures) == 14 + 13  # of the errors, of the invented; here .. is followed by .jpg, and steps nowhere
    for picture in pictures:
        for part in ('loading="lazy"', 'width="96"', 'height="72"', 'alt="Picture of ', 'referrerpolicy="no-referrer"'):
            assert part in picture
    assert 'alt="Picture of a&#34;onerror=&#34;x"' in shown.html
    assert "<img" not in shown.report


def test_origins_are_those_of_models_that_show_pictures(tmp_path: Path) -> None:
    sections = "".join(
        f'[[model]]\nname = "{name}"\ntask = "binary"\nimage_url = "{address}/{{image_id}}"\nshow_images = {shows}\n'
        '[model.source]\npath = "in/*"\n'
        for name, address, shows in (
            ("a", "https://one", "true"), ("b", "https://two", "false"), ("c", "https://ONE/x", "true"),
            ("d", "http://one", "true"),
        )
    )  # fmt: skip
    (tmp_path / "calwatch.toml").write_text(sections, "utf-8")
    assert list_origins(load_config(tmp_path / "calwatch.toml")) == ("https://one", "http://one")
    assert list_origins(None) == ()


@pytest.mark.parametrize(
    ("address", "group", "expected"),
    [
        ("https://h/{image_id}", False, ["s0", "s1", "s2", "s3", "s4", "s5"]),
        ("https://h/{image_id}", True, ["g0", "g1", "g2"]), ("https://h/{group_id}", True, ["g0", "g1", "g2"]),
        ("https://h/{sample_id}", True, ["s0", "s2", "s4"]),
        ("https://h/{group_id}", False, [None] * 6),
    ],
)  # fmt: skip
def test_of_a_classifier_the_image_is_the_group_or_else_the_sample(
    tmp_path: Path, address: str, group: bool, expected: list[str | None]
) -> None:
    shown = Shown(write_classifier(tmp_path / "m", address, group))
    items = shown.listed.json()["items"]
    assert [item["image_url"] for item in items] == [name and f"https://h/{name}" for name in expected]


def test_without_an_address_nothing_is_looked_for_and_the_page_says_what_to_set(tmp_path: Path) -> None:
    shown = Shown(write_detector(tmp_path / "m", ""))
    assert shown.listed.json()["items"] == []
    assert 'image_url = "https://images.example.org/{image_id}.jpg"' in unescape(shown.html)
    assert "furthest from what came true" not in shown.report


def test_an_address_that_is_taken_away_takes_its_list_along(tmp_path: Path) -> None:
    base = write_detector(tmp_path / "m")
    assert len(Shown(base).listed.json()["items"]) == 14
    text = (base / "calwatch.toml").read_text("utf-8").replace(f'image_url = "{ADDRESS}"\n', "")
    (base / "calwatch.toml").write_text(text, "utf-8")
    assert Shown(base).listed.json()["items"] == []


def a_model(address: str | None, tmp_path: Path) -> Model:
    key = f'image_url = "{address}"\n' if address else ""
    text = f'[[model]]\nname = "m"\ntask = "binary"\nslices = ["camera"]\n{key}[model.source]\npath = "in/*"\n'
    (tmp_path / "calwatch.toml").write_text(text, "utf-8")
    return load_config(tmp_path / "calwatch.toml").model[0]


@pytest.mark.parametrize("value", ["__missing__", "__other__"])
def test_values_that_stand_for_none_or_many_fill_no_field(tmp_path: Path, value: str) -> None:
    model = a_model("https://h/{camera}/{image_id}", tmp_path)
    assert link_image(model, "a", {"camera": value}) is None
    assert link_image(model, "a", {"camera": "c1"}) == "https://h/c1/a"
    assert link_image(model, "a") is link_image(None, "a") is link_image(a_model(None, tmp_path), "a") is None


def test_a_slice_called_as_a_field_does_not_take_its_place(tmp_path: Path) -> None:
    model = a_model("https://h/{image_id}", tmp_path)
    assert link_image(model, "a", {"image_id": "evil"}) == "https://h/a"
    sample = LargestError("s", None, "", NOW, None, 0.5, 0.0, None, None, {"camera": "c1"})
    assert link_sample(model, sample) == "https://h/s"
