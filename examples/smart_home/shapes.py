"""The sizes of the two shipped models."""

from examples.smart_home.model import Shape
from examples.smart_home.tokens import VOCABULARY

EDGE = Shape(vocab=VOCABULARY, layers=5)
CLOUD = Shape(vocab=VOCABULARY, layers=10, exits=(3, 5))
EXIT_WEIGHTS = (0.3, 0.5, 1.0)  # of the losses of the two exits and of the last layer
