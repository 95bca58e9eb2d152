"""The screening classifier: small, and stored beside the generator.

It is trained on the images that the GAN sees and on no others. It watches training (how often do
samples show the digit they should?) and screens what a build generates. The classifiers that judge
a set in an evaluation have another architecture and other seeds.
"""

import dataclasses
import math

from tqdm import tqdm

from synthgen.classifiers.distortions import batch_shift
from synthgen.classifiers.fit import Trainer
from synthgen.classifiers.networks import build_screener
from synthgen.classifiers.predict import PREDICT_BATCH, Classifier
from synthgen.classifiers.settings import FitSettings
from synthgen.datasets.digits import Digits
from synthgen.networks.backend import keras
from synthgen.networks.layers import get_weights, set_weights
from synthgen.networks.shapes import ImageShape
from synthgen.weights import Weights

SCREENER_SETTINGS = FitSettings(batch=128, rate=4e-3, start_divisor=10, beta_2=0.999)
SCREENER_EPOCHS = 4
SCREENER_LEAST_STEPS = 400  # a small data set is repeated
SHIFT_DIVISOR = 14  # batches are shifted by up to a 14th of the height: 2 pixels of 28


def train_screener(digits: Digits, seed: int) -> Weights:
    """Train a screening classifier.

    It takes SCREENER_EPOCHS passes over the digits or SCREENER_LEAST_STEPS steps, whichever is
    more.

    Args:
        digits: the training digits of the GAN, one or more.
        seed: 0 or more: of the initial weights, the order of the images and their shifts.

    Returns:
        Its weights by name.
    """
    steps = max(
        SCREENER_LEAST_STEPS, SCREENER_EPOCHS * math.ceil(len(digits) / SCREENER_SETTINGS.batch)
    )
    network = build_screener(digits.image_shape, digits.classes, seed)
    trainer = screener_trainer(network, steps, seed)
    with tqdm(
        total=steps, unit="step", desc="screening classifier", disable=None, leave=False
    ) as bar:
        trainer.fit(digits, progress=bar.update)
    return get_weights(network)


def screener_trainer(network: keras.Model, steps: int, seed: int) -> Trainer:
    """Compile the training of a screening classifier.

    Batches are shifted, so that a small set of digits does not end in memorising them.

    Args:
        network: what `build_screener` gave.
        steps: gradient steps of each training.
        seed: 0 or more: of the order of the images and their shifts.
    """
    settings = dataclasses.replace(SCREENER_SETTINGS, steps=steps)
    height = network.input_shape[1]
    return Trainer(network, settings, seed, batch_shift(height // SHIFT_DIVISOR, seed))


def load_screener(
    weights: Weights, image_shape: ImageShape, classes: int, batch: int = PREDICT_BATCH
) -> Classifier:
    """Make a trained screening classifier of its weights.

    Args:
        weights: what `train_screener` gave.
        image_shape: (height, width, channels).
        classes: number of classes.
        batch: images in one compiled call.

    Raises:
        CheckpointError: if the weights do not fit the shape or the classes.
    """
    network = build_screener(image_shape, classes)
    set_weights(network, weights)
    return Classifier(network, batch)
