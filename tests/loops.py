"""Many small cases in one test: for tables that are checked line by line, where a test for each line would cost more than
what it asks."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest

Test = Callable[..., None]


def each(name: str, cases: Mapping[str, Any]) -> Callable[[Test], Test]:
    """Make a test that calls the function for every case as its argument ``name``; its other arguments are fixtures.

    All cases are tried; those that fail are raised together, each with its label.
    """

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def test_each(**fixtures: Any) -> None:
            failures: list[Exception] = []
            for label, case in cases.items():
                try:
                    test(**{name: case}, **fixtures)
                except Exception as error:  # noqa: BLE001  # whatever it is, the other cases are tried
                    error.add_note(f"case: {label}")
                    failures.append(error)
                except pytest.fail.Exception as error:
                    failures.append(AssertionError(f"case: {label}: {error}"))
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(cases)} cases", failures)

        assert cases, "no case to try"
        signature = inspect.signature(test)
        others = [parameter for parameter in signature.parameters.values() if parameter.name != name]
        test_each.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]  # what pytest reads
        return test_each

    return decorate
