"""Which columns a file of boxes must have.

By itself, because all formats ask it, of tables and of boxes alike.
"""

from collections.abc import Collection

from monitor.config.boxes import BOX_COLUMNS


def missing_box_columns(has: Collection[str], holds: str, *, times_elsewhere: bool) -> dict[str, str]:
    """The required columns that a file does not have, each with a word on what else would do, or "". ``times_elsewhere``:
    whether another source says when images were taken."""
    missing = {} if "image_id" in has else {"image_id": ""}
    if holds == "images":
        return missing
    if holds == "detections":
        missing |= {name: "" for name in ("class", "score") if name not in has}
        if not times_elsewhere and "observed_at" not in has:
            missing["observed_at"] = 'or a [[model.source]] with holds = "images" that has it'
    elif "class" not in has:
        missing["class"] = ""
    if "box" not in has and not any(set(names) <= set(has) for names in BOX_COLUMNS.values()):
        begun = max(BOX_COLUMNS.values(), key=lambda names: len(set(names) & set(has)))
        lacking = [name for name in begun if name not in has]
        if len(lacking) < len(begun):
            missing |= dict.fromkeys(lacking, "")
        else:
            missing["box"] = f"or {'; '.join(', '.join(names) for names in BOX_COLUMNS.values())}"
    return missing
