"""The same world per test as in tests/store."""

from tests.store.conftest import make_world, world

__all__ = ["make_world", "world"]
