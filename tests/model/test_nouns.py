"""What groups are called: plurals that read as English, names that make sense, and counts of groups before those of samples."""

import pytest

from monitor.model.nouns import count_samples, find_flaw, find_singular, list_samples, make_plural, number_samples

PAIRS = [
    ("image", "images"), ("clip", "clips"), ("patient", "patients"), ("study", "studies"), ("box", "boxes"),
    ("batch", "batches"), ("patch", "patches"), ("brush", "brushes"), ("class", "classes"), ("lens", "lenses"),
    ("bus", "buses"), ("day", "days"), ("survey", "surveys"), ("analysis", "analyses"), ("axis", "axes"),
    ("tooth", "teeth"), ("foot", "feet"), ("child", "children"), ("woman", "women"), ("person", "people"),
    ("mouse", "mice"), ("leaf", "leaves"), ("movie", "movies"), ("camera", "cameras"), ("video", "videos"),
    ("CT scan", "CT scans"), ("night study", "night studies"), ("X-ray", "X-rays"), ("slide", "slides"), ("case", "cases"),
    ("house", "houses"), ("axe", "axes"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "many"), PAIRS)
def test_each_noun_has_the_plural_that_people_write(one: str, many: str) -> None:
    assert make_plural(one) == many


@pytest.mark.parametrize(("one", "many"), PAIRS)
def test_a_singular_is_taken_and_a_plural_is_refused(one: str, many: str) -> None:
    assert find_flaw(one) is None
    flaw = find_flaw(many)
    assert flaw is not None
    assert flaw.startswith('be singular: "')


@pytest.mark.parametrize(
    ("many", "one"),
    [("images", "image"), ("studies", "study"), ("boxes", "box"), ("patches", "patch"), ("classes", "class"),
     ("movies", "movie"), ("people", "person"), ("cases", "case"), ("Images", "Image"), ("CT scans", "CT scan")],
)  # fmt: skip
def test_the_singular_that_was_meant_is_proposed(many: str, one: str) -> None:
    assert find_singular(many) == one


@pytest.mark.parametrize("noun", ["series", "species", "fish", "lens", "atlas", "gas"])
def test_what_only_looks_like_a_plural_is_taken(noun: str) -> None:
    assert find_flaw(noun) is None


@pytest.mark.parametrize("noun", ["sample", "samples", "Label", "labels", "prediction", "rows"])
def test_the_members_of_a_group_are_no_name_for_it(noun: str) -> None:
    assert "not the samples" in (find_flaw(noun) or "")


@pytest.mark.parametrize(
    "noun", ["", " ", "7", "image ", "two  words", "image_id", "a/b", "<b>", "image\n", "Bild(er)"]
)
def test_what_is_no_word_is_refused(noun: str) -> None:
    assert (find_flaw(noun) or "").startswith("be a short word for one group")


def test_groups_are_said_before_their_samples_and_independent_samples_as_ever() -> None:
    assert count_samples(1204, 57, "image") == "57 images (1,204 samples)"
    assert count_samples(1, 1, "study") == "1 study (1 sample)"
    assert count_samples(1204) == "1,204 samples"
    assert count_samples(1, 1, "box", "labelled sample") == "1 box (1 labelled sample)"
    assert list_samples(1204, 57, None) == "57 groups, 1,204 samples"
    assert list_samples(1) == "1 sample"
    assert (count_samples(0, 0, "image"), list_samples(0, 0, "image")) == ("0 samples", "0 samples")
    assert number_samples(1204) == "1,204"
    assert number_samples(1204, 57, "image") == "57 images, 1,204 samples"
