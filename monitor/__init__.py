"""calwatch watches whether a vision model's confidence is still honest in production, slice by slice."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("calwatch")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
