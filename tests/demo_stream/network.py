"""A small classifier in numpy: one hidden layer of rectified linear units, softmax, trained with Adam."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CLASSES = 10


@dataclass(frozen=True, slots=True)
class Network:
    """Weights and biases; ``parameters`` is (W1 [inputs, hidden], b1 [hidden], W2 [hidden, 10], b2 [10])."""

    parameters: tuple[Floats, Floats, Floats, Floats]

    def logits(self, inputs: Floats) -> Floats:
        """Logits [n, 10] of ``inputs`` [n, inputs]."""
        w1, b1, w2, b2 = self.parameters
        hidden = np.maximum(inputs @ w1 + b1, 0.0)
        outputs: Floats = hidden @ w2 + b2
        return outputs


def initial(inputs: int, hidden: int, rng: np.random.Generator) -> Network:
    """A network with He-initialised weights (He et al. 2015) and zero biases."""
    w1 = rng.normal(0.0, np.sqrt(2.0 / inputs), (inputs, hidden))
    w2 = rng.normal(0.0, np.sqrt(2.0 / hidden), (hidden, CLASSES))
    return Network((w1, np.zeros(hidden), w2, np.zeros(CLASSES)))


def log_loss(logits: Floats, labels: Integers) -> float:
    """Mean −log softmax probability (nats) of ``labels`` [n], each in 0…9."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def gradient(network: Network, inputs: Floats, labels: Integers) -> tuple[Floats, Floats, Floats, Floats]:
    """Derivatives of ``log_loss`` by each parameter, in the order and shapes of ``parameters``."""
    w1, b1, w2, b2 = network.parameters
    before = inputs @ w1 + b1
    hidden = np.maximum(before, 0.0)
    at_logits = softmax(hidden @ w2 + b2, axis=1)
    at_logits[np.arange(len(labels)), labels] -= 1.0
    at_logits /= len(labels)
    at_hidden = (at_logits @ w2.T) * (before > 0.0)
    return inputs.T @ at_hidden, at_hidden.sum(axis=0), hidden.T @ at_logits, at_logits.sum(axis=0)


def train(
    inputs: Floats,
    labels: Integers,
    rng: np.random.Generator,
    *,
    hidden: int = 64,
    epochs: int = 25,
    batch: int = 64,
    learning_rate: float = 2e-3,
) -> Network:
    """A network fitted to ``inputs`` [n, inputs] and ``labels`` [n] by Adam (Kingma & Ba 2015, algorithm 1)."""
    network = initial(inputs.shape[1], hidden, rng)
    means = [np.zeros_like(parameter) for parameter in network.parameters]
    squares = [np.zeros_like(parameter) for parameter in network.parameters]
    step = 0
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(inputs)), max(1, len(inputs) // batch)):
            step += 1
            updated = []
            slopes = gradient(network, inputs[rows], labels[rows])
            for k, (parameter, slope) in enumerate(zip(network.parameters, slopes, strict=True)):
                means[k] = 0.9 * means[k] + 0.1 * slope
                squares[k] = 0.999 * squares[k] + 0.001 * slope**2
                mean = means[k] / (1.0 - 0.9**step)
                square = squares[k] / (1.0 - 0.999**step)
                updated.append(parameter - learning_rate * mean / (np.sqrt(square) + 1e-8))
            w1, b1, w2, b2 = updated
            network = Network((w1, b1, w2, b2))
    return network


def fit_temperature(logits: Floats, labels: Integers) -> float:
    """The T in [e⁻³, e³] that minimises the log-loss of ``logits / T`` (Guo et al. 2017, section 4.2)."""
    best = minimize_scalar(lambda log_t: log_loss(logits / np.exp(log_t), labels), bounds=(-3.0, 3.0), method="bounded")
    return float(np.exp(best.x))
