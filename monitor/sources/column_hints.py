"""Which of a file's own columns may be meant, where one of calwatch's is not among them."""

import difflib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

USUAL = {  # names that other tools give these columns, without case and marks
    "sample_id": ("id", "sample", "uid", "uuid", "guid", "imageid", "image", "filename", "imagename", "predictionid",
                  "inferenceid", "requestid", "eventid", "recordid", "rowid", "objectid", "studyid"),
    "observed_at": ("timestamp", "time", "ts", "datetime", "date", "predictedat", "createdat", "capturedat",
                    "predictiontime", "predictiontimestamp", "inferencetime", "eventtime", "eventtimestamp", "zeit",
                    "zeitstempel"),
    "labelled_at": ("labeledat", "labeltime", "labeltimestamp", "annotatedat", "reviewedat", "verifiedat"),
    "score": ("probability", "prob", "proba", "confidence", "conf", "p", "confidencescore", "predictionproba",
              "predictionprobability", "predictedprobability", "predictionscore", "ypredproba", "yproba", "yprob", "yscore",
              "prob1", "proba1", "p1", "konfidenz"),
    "outcome": ("correct", "iscorrect", "hit"),
    "label": ("truth", "groundtruth", "groundtruthlabel", "target", "y", "ytrue", "gt", "gtlabel", "truelabel",
              "actual", "annotation"),
    "predicted_class": ("prediction", "predicted", "pred", "ypred", "class", "predictedlabel", "predlabel",
                        "predictionlabel", "predclass", "yhat"),
    "group_id": ("group", "patientid", "clipid", "videoid"),
    "version": ("modelversion",),
    "image_id": ("image", "imageid", "filename", "imagename", "file", "img", "imgid", "frame", "frameid"),
    "class": ("classname", "category", "categoryid", "categoryname", "label", "name", "predictedclass", "classid"),
    "box": ("bbox", "boundingbox", "boxes"),
    "x1": ("xmin", "left"), "y1": ("ymin", "top"), "x2": ("xmax", "right"), "y2": ("ymax", "bottom"),
    "w": ("width", "boxwidth"), "h": ("height", "boxheight"),
}  # fmt: skip
SCORES, CLASSES = ("score", "raw_score"), 2  # of a list of two the score is the second, that of the positive class
SOFTMAX_DOCS = "calwatch docs a-column-for-each-class"
OUTCOMES = ("outcome", "label", "predicted_class")  # a file has what came true by one or two of them
_SUFFIXES = ("id", "name", "no", "nr", "number", "value")  # camera_id for camera
_LONGEST, _NO_LETTERS = 100, set("{}<>")  # a name; beyond that, a line that is none
_NEAR = 0.8  # of difflib: "observer" is not near to observed_at, "kamera" is to camera
_SHORT, _SHORTENED = 3, 0.65  # letters of an abbreviation, and how near it still is: cam for camera


def name_missing(missing: Mapping[str, str], mapped: Mapping[str, str]) -> str:
    """The missing columns, each with the name it was looked for under and what else would do: ``outcome (or label)``."""
    said = []
    for name, else_ in missing.items():
        beside = [f'looked for as "{mapped[name]}"'] if name in mapped else []
        beside += [else_] if else_ else []
        said.append(f"{name} ({'; '.join(beside)})" if beside else name)
    return ", ".join(said)


def propose_columns(
    missing: Iterable[str], mapped: Mapping[str, str], found: Collection[str], times: Sequence[str] = (),
    lists: Mapping[str, int] | None = None,
) -> str:  # fmt: skip
    """``columns = { sample_id = "Part No" }`` with what looks like the missing ones; "" where nothing does.

    A column of ``times`` that is the only one may be observed_at whatever it is called. Where several may be meant, they are
    named and none is proposed. ``lists``: columns that hold lists, and how long: of two scores the second is proposed.
    """
    free = [own for own in found if own not in mapped.values() and len(own) <= _LONGEST and not set(own) & _NO_LETTERS]
    meant = {name: _meant(name, mapped.get(name, name), free) for name in missing}
    if meant.get("observed_at") == [] and len(others := [own for own in times if own in free]) == 1:
        meant["observed_at"] = [] if strip_marks(others[0]) in {"labelledat", *USUAL["labelled_at"]} else others
    claims = Counter(own for owns in meant.values() if len(owns) == 1 for own in owns)
    pairs = [(name, owns[0]) for name, owns in meant.items() if len(owns) == 1 and claims[owns[0]] == 1]
    long = {own: size for own, size in (lists or {}).items() if size != CLASSES and (SCORES[0], own) in pairs}
    listed = ", ".join(
        f"{name} = {_written(f'{own}.1' if name in SCORES and own in (lists or {}) else own)}"
        for name, own in pairs if own not in long
    )  # fmt: skip
    said = [f"columns = {{ {listed} }}"] if listed else []
    said += [f"{_written(own)} is a list of {size}, see: {SOFTMAX_DOCS}" for own, size in long.items()]
    taken = {own for _, own in pairs}
    for name, owns in meant.items():
        left = [own for own in owns if own not in taken]
        if len(owns) > 1 and left:
            said.append(f"{name} = {' or '.join(map(_written, left))}")
    return "; ".join(said)


def _meant(name: str, wanted: str, free: Sequence[str]) -> list[str]:
    """The columns that may be meant: by the same name, by a usual one, or else by a near one."""
    plain = {own: {strip_marks(own), strip_marks(own.rpartition(".")[2])} for own in free}
    same = {strip_marks(wanted), strip_marks(name)}
    usual = {*USUAL.get(name, ()), *(word + suffix for word in same for suffix in _SUFFIXES if name not in USUAL)}
    for words in (same, usual):
        if owns := [own for own, forms in plain.items() if forms & words]:
            return owns
    return [own for own, forms in plain.items() if any(_is_near(form, strip_marks(wanted), name) for form in forms)]


def _is_near(form: str, wanted: str, name: str) -> bool:
    ratio = difflib.SequenceMatcher(None, form, wanted).ratio()
    short, long = sorted((form, wanted), key=len)
    is_shortened = name not in USUAL and len(short) >= _SHORT and long.startswith(short) and ratio >= _SHORTENED
    return ratio >= _NEAR or is_shortened


def _written(own: str) -> str:
    return json.dumps(own, ensure_ascii=False)


def strip_marks(name: str) -> str:
    """A name without case and marks: ``"Part No."`` → ``partno``."""
    return re.sub(r"[\W_]", "", name.casefold())
