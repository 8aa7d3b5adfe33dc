"""The fake engines that all systems of a comparison run, so that only the way to them differs."""

from cluster.config import EchoModel

SITE = "home"
MODELS = {
    "echo": EchoModel(engine="echo", cpus=0.1, max_ongoing=256),
    "words": EchoModel(engine="echo", cpus=0.1, max_ongoing=256, tokens_per_s=200),
}
"""`echo` answers at once, `words` speaks at 200 words per second."""
