"""Errors a person can act on: what went wrong and where, and a hint what to do about it."""


class CalwatchError(Exception):
    """An operation failed for a reason the user can see and change.

    ``message`` says where, what and what was found; ``hint`` says what to do. The command line prints them as
    ``error: …`` and ``try: …``; the daemon logs both as fields.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mistakes = [message]
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class ConfigError(CalwatchError):
    """One or more mistakes in the configuration or in a rule pack; ``mistakes`` lists each with its place, each a line."""

    def __init__(self, mistakes: list[str], hint: str = "") -> None:
        escaped = [_escape(mistake) for mistake in mistakes]
        super().__init__("\n".join(escaped), hint)
        self.mistakes = escaped


def _escape(text: str) -> str:
    """One line, in which what commands a terminal is to be seen: a newline is ``\\n``."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


class SourceError(CalwatchError):
    """A source, or one file of it, could not be read. Nothing of it was taken; the next cycle tries again.

    Of a file the message goes on from its name.
    """


class StoreError(CalwatchError):
    """The state directory or the database in it cannot be used."""


class StoreInUseError(StoreError):
    """Another process, named in the message, holds the database."""


class DamageError(StoreError):
    """Bytes of the database are not what they were: no failure of a model's or a job's own, and not to be tried again."""


class ArtefactError(CalwatchError):
    """A calibrator file is damaged, foreign or newer than this version can read."""


class UsageError(CalwatchError):
    """A command was called with arguments that do not fit the configuration."""
