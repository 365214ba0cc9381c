"""The address of pictures: which ones are refused, each with what to do, and what ids can do to those that are taken."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from monitor.config.image_url import fill_address, origin_of
from monitor.config.settings import Config, parse_config
from monitor.model.errors import ConfigError

GOOD = "https://images.example.org/{image_id}.jpg"
IDS = (
    'a"b', "a'b", "<script>alert(1)</script>", "javascript:alert(1)", "a\nb", "a\r\nSet-Cookie: x", "..", "../../admin",
    "a/../b", "100%", "%2e%2e", "%00", "a?b=c", "a#b", "a&b", "a\\b", "é", "\u202egpj", "a b", "//evil.example", "@evil",
    "{camera}", "\x00",
)  # fmt: skip


def parse(image_url: str | None, extra: str = "", task: str = "binary", source: str = 'path = "in/*"') -> Config:
    key = f"image_url = {image_url!r}\n" if image_url is not None else ""
    slices = "" if "slices" in extra else 'slices = ["camera"]\n'
    text = f'[[model]]\nname = "m"\ntask = "{task}"\n{slices}{key}{extra}\n[[model.source]]\n{source}\n'
    return parse_config(text, "calwatch.toml", Path())


def refusal(image_url: str | None, **given: str) -> str:
    with pytest.raises(ConfigError) as raised:
        parse(image_url, **given)
    return "\n".join(raised.value.mistakes)


@pytest.mark.parametrize(
    "address",
    [
        GOOD, "http://10.0.0.7:8080/{image_id}", "https://[::1]:9000/{image_id}", "HTTPS://Images.Example.org/{image_id}",
        "https://h/{camera}/{image_id}.png", "https://h/show?id={image_id}", "https://h/show#{image_id}", "https://h/{sample_id}",
        "https://h/{group_id}/{sample_id}", "https://h:8443?i={image_id}", "https://my_host/{image_id}",
    ],
)  # fmt: skip
def test_addresses_that_a_browser_can_open_are_taken(address: str) -> None:
    assert parse(address).model[0].image_url == address


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/{image_id}", "file:///data/{image_id}", "javascript:alert('{image_id}')", "data:image/png,{image_id}",
        "ftp://h/{image_id}", "/images/{image_id}.jpg", "images/{image_id}.jpg", "//h/{image_id}", "h/{image_id}", "",
        "https:/h/{image_id}", "{image_id}",
    ],
)  # fmt: skip
def test_other_schemes_are_refused_with_what_a_browser_opens(address: str) -> None:
    told = refusal(address)
    assert "image_url must" in told
    assert "https://images.example.org/{image_id}.jpg" in told


@pytest.mark.parametrize(
    "address", ["https://u:secret@h/{image_id}", "https://u@h/{image_id}", "http://:secret@h/{image_id}"]
)
def test_credentials_are_refused_and_not_repeated(address: str) -> None:
    told = refusal(address)
    assert "no user name and password" in told
    assert "secret" not in told


@pytest.mark.parametrize(
    "address",
    ["https://h\\@evil/{image_id}", "https://h/ {image_id}", "https://h/\t{image_id}", 'https://h/"{image_id}'],
)
def test_marks_that_browsers_read_otherwise_are_refused(address: str) -> None:
    assert "image_url must" in refusal(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://{camera}.example.org/{image_id}", "https://*.example.org/{image_id}", "https://h;script-src/{image_id}",
        "https://h,evil/{image_id}", "https:///{image_id}", "https://h:port/{image_id}", "https://bücher.example/{image_id}",
        "https://h:80:80/{image_id}",
    ],
)  # fmt: skip
def test_a_host_is_one_and_has_no_field(address: str) -> None:
    assert "must name one host, without fields" in refusal(address)


@pytest.mark.parametrize("address", ["https://h/logo.jpg", "https://h/%s.jpg", "https://h/$image_id.jpg", "https://h/"])
def test_an_address_without_a_field_is_refused_with_where_it_goes(address: str) -> None:
    assert "must say where the image's id belongs, {image_id}" in refusal(address)


@pytest.mark.parametrize(
    "address", ["https://h/{image_id", "https://h/{{image_id}}", "https://h/image_id}", "https://h/{image_id}}"]
)
def test_braces_that_do_not_match_are_refused(address: str) -> None:
    assert "single braces" in refusal(address)


@pytest.mark.parametrize(
    ("field", "near"),
    [
        ("image", "image_id"), ("imageid", "image_id"), ("image_id.__class__", ""), ("image_id!r", ""), ("image_id:09", ""),
        ("0", ""), ("", ""), ("score", ""), ("lighting", ""), ("camra", "camera"),
    ],
)  # fmt: skip
def test_unknown_fields_are_refused_with_those_there_are(field: str, near: str) -> None:
    told = refusal(f"https://h/{{{field}}}/{{image_id}}")
    assert f"image_url has the unknown field {{{field}}}" in told
    assert "the fields are image_id, sample_id, group_id and the slice dimensions" in told
    assert not near or f'did you mean "{near}"?' in told


def test_a_field_of_slices_alone_is_refused_as_the_same_for_many() -> None:
    assert "the same for many images: it needs the field {image_id}" in refusal("https://h/{camera}.jpg")


@pytest.mark.parametrize("field", ["sample_id", "group_id"])
def test_of_a_detectors_boxes_the_field_is_image_id(field: str) -> None:
    told = refusal(f"https://h/{{{field}}}.jpg", task="detection", source='holds = "detections"\npath = "d/*"')
    assert 'did you mean "image_id"?' in told
    parse(GOOD, task="detection", source='holds = "detections"\npath = "d/*"')
    parse(f"https://h/{{{field}}}.jpg", task="detection")  # rows that a user matched


def test_showing_pictures_needs_their_address() -> None:
    assert 'show_images needs "image_url"' in refusal(None, extra="show_images = true")
    assert parse(GOOD, extra="show_images = true").model[0].show_images
    assert not parse(GOOD).model[0].show_images
    assert "show_images must" in refusal(GOOD, extra='show_images = "yes"')


def test_the_origin_is_scheme_host_and_port() -> None:
    assert origin_of("HTTPS://Images.Example.org:8443/a/{image_id}") == "https://images.example.org:8443"
    assert origin_of("http://[::1]?i={image_id}") == "http://[::1]"


@pytest.mark.parametrize("identity", IDS)
@pytest.mark.parametrize(
    "template", [GOOD, "https://h/a/{image_id}/full", "https://h/s?i={image_id}&x=1", "https://h/#{image_id}"]
)
def test_an_id_changes_nothing_of_an_address_but_its_own_place(template: str, identity: str) -> None:
    filled = fill_address(template, {"image_id": identity})
    if filled is None:
        assert identity == ".."  # alone between slashes
        assert template.endswith("/full")
        return
    before, _, after = template.partition("{image_id}")
    assert filled.startswith(before)
    assert filled.endswith(after)
    inside = filled[len(before) : len(filled) - len(after) or None]
    assert unquote(inside) == identity
    assert not set(inside) & set("\"'<>\n\r\t\\ /?#&:@\x00")
    assert filled.isascii()
    taken, meant = urlsplit(filled), urlsplit(template)
    assert (taken.scheme, taken.netloc) == (meant.scheme, meant.netloc)


@pytest.mark.parametrize(("one", "other"), [(".", "."), ("..", "x"), ("x", ".."), (".", "")])
def test_ids_that_step_out_of_the_folder_have_no_address(one: str, other: str) -> None:
    assert fill_address("https://h/a/{camera}/{image_id}", {"camera": one, "image_id": other}) is None
    joined = fill_address("https://h/a/{camera}{image_id}/b", {"camera": ".", "image_id": "."})
    assert joined is None


@pytest.mark.parametrize("values", [{}, {"image_id": None}, {"image_id": ""}, {"image_id": "\ud800"}])
def test_what_is_not_known_has_no_address(values: dict[str, str | None]) -> None:
    assert fill_address(GOOD, values) is None
