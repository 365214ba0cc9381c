"""Where a push lies that was refused, and how it gets in after all."""

KEPT_REFUSED = 100  # of one source


def told_kept(directory: str, name: str) -> str:
    """Sentences without the last full stop. ``directory``: of the source's pushes, from the state directory; ``name``: the
    push's file, as cursors name it."""
    return (
        f"It is kept as {directory}/refused/{name} in the state directory, where the newest {KEPT_REFUSED} are: mended, or "
        "once its cause is gone, it can be sent again under another Idempotency-Key"
    )
