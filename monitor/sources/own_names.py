"""Which of a file's own columns may be meant, where one of calwatch's is not among them."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

USUAL = {  # names that other tools give these columns, without case and marks
    "sample_id": ("id", "sample", "uid", "uuid", "imageid", "image", "filename", "predictionid"),
    "observed_at": ("timestamp", "time", "ts", "datetime", "date", "predictedat", "createdat", "capturedat"),
    "labelled_at": ("labeledat", "labeltime", "annotatedat", "reviewedat"),
    "score": ("probability", "prob", "confidence", "conf", "p"),
    "outcome": ("correct", "iscorrect", "hit"),
    "label": ("truth", "groundtruth", "target", "y", "ytrue", "gt"),
    "predicted_class": ("prediction", "predicted", "pred", "ypred", "class"),
}


def told(missing: Mapping[str, str], mapped: Mapping[str, str]) -> str:
    """The missing columns, each with the name it was looked for under and what else would do: ``outcome (or label)``."""
    said = []
    for name, else_ in missing.items():
        beside = [f'looked for as "{mapped[name]}"'] if name in mapped else []
        beside += [else_] if else_ else []
        said.append(f"{name} ({'; '.join(beside)})" if beside else name)
    return ", ".join(said)


def proposed(missing: Iterable[str], mapped: Mapping[str, str], found: Collection[str]) -> str:
    """``columns = { sample_id = "Part No" }`` with what looks like the missing ones; "" where nothing does."""
    free = [own for own in found if own not in mapped.values()]
    pairs = [(name, own) for name in missing if (own := _meant(name, mapped.get(name, name), free)) is not None]
    listed = ", ".join(f"{name} = {json.dumps(own, ensure_ascii=False)}" for name, own in pairs)
    return f"columns = {{ {listed} }}" if pairs else ""


def _meant(name: str, wanted: str, free: Sequence[str]) -> str | None:
    plain = {_plain(own): own for own in reversed(free)}
    for word in (_plain(wanted), _plain(name), *USUAL.get(name, ())):
        if word in plain:
            return plain[word]
    near = difflib.get_close_matches(_plain(wanted), plain, n=1, cutoff=0.75)
    return plain[near[0]] if near else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())
