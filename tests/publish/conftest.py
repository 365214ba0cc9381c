"""The snapshot that the tests of what is published share."""

from tests.worlds.published import alert, reading, small

__all__ = ["alert", "reading", "small"]
