"""Access tokens: what they may do, how they are made, and what of them is kept.

A token is 256 random bits, so the SHA-256 of it can be kept in plain configuration: there is nothing to guess, and a
slow, salted hash (made for passwords that people choose) would only let strangers spend our time. Only tokens made here
are taken, which keeps self-chosen words out.
"""

import hashlib
import re
import secrets
from enum import StrEnum

PREFIX = "calwatch_"
_TOKEN = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class Role(StrEnum):
    """Each role may do what those before it may."""

    READ = "read"  # everything that only shows
    WRITE = "write"  # push samples, ask for jobs, cancel them
    ADMIN = "admin"  # reload the configuration

    def is_at_least(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


def new_token() -> str:
    """A fresh token: the prefix, by which leaked ones are found, and 43 characters."""
    return PREFIX + secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Whether the text has the form of a token made by ``new_token``."""
    return _TOKEN.fullmatch(text) is not None


def hash_of(token: str) -> str:
    """What the configuration keeps of a token: ``sha256:`` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def is_hash(text: str) -> bool:
    """Whether the text has the form that ``hash_of`` gives."""
    return _HASH.fullmatch(text) is not None
