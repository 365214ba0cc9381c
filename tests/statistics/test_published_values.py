"""Values others published, reproduced on extracts of their files (tests/data says where each comes from)."""

from pathlib import Path

import numpy as np
import pytest

from monitor.statistics.calibration.metrics import measure_calibration
from monitor.statistics.cells import Cells

EXTRACTS = Path(__file__).parents[1] / "data"


def metric(folder: str, model: str, name: str) -> float:
    with np.load(EXTRACTS / folder / "scores.npz") as columns:
        cells = Cells.from_samples(columns[f"{model}_score"], columns[f"{model}_right"])
    return float(measure_calibration(cells, 1)[name][0])


@pytest.mark.parametrize(
    ("model", "ece"),
    [("wideresnet_16_4_cifar_10", 0.053716), ("densenet_bc_100_cifar_100", 0.142153), ("lenet_5_cifar_10", 0.107888)],
)
def test_top_label_ece_of_the_cifar_models(model: str, ece: float) -> None:
    assert metric("netcal_cifar_top_label", model, "ece") == pytest.approx(ece, abs=5e-7)


@pytest.mark.parametrize(
    ("model", "ece", "mce"),
    [
        ("resnet110_cifar_10", 0.047503518641, 0.295798957348),
        ("densenet40_cifar_100", 0.211562852757, 0.45400331452),
    ],
)
def test_published_ece_and_mce(model: str, ece: float, mce: float) -> None:
    # The files hold rounded confidences, and the published bins are closed above: no score sits on an inner edge.
    assert metric("reliability", model, "ece") == pytest.approx(ece, abs=1e-8)
    assert metric("reliability", model, "mce") == pytest.approx(mce, abs=3e-7)
