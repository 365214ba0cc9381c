"""Rules of each kind as TOML, for the tests of rule packs."""


def threshold(**keys: str) -> str:
    """A threshold rule named r; keys are TOML values, an empty one leaves the key out. ``for_`` stands for ``for``."""
    good = {"name": '"r"', "kind": '"threshold"', "severity": '"info"', "metric": '"ece"', "above": "0.1"}
    good |= {"window": '"24h"'} | keys
    return "[[rule]]\n" + "".join(f"{key.rstrip('_')} = {value}\n" for key, value in good.items() if value)


def absence(**keys: str) -> str:
    good = {"name": '"a"', "kind": '"absence"', "severity": '"info"', "of": '"labels"', "longer_than": '"2h"'} | keys
    return "[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in good.items() if value)


def drift(**keys: str) -> str:
    good = {"name": '"d"', "kind": '"drift"', "severity": '"page"'} | keys
    return "[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in good.items() if value)


def disparity(**keys: str) -> str:
    good = {"name": '"w"', "kind": '"disparity"', "severity": '"ticket"', "measure": '"gap"', "window": '"7d"'} | keys
    return "[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in good.items() if value)
