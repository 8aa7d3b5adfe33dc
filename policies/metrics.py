"""How well an answer matches its reference: pure functions of two strings, each from 0 to 1.

Normalisation and token F1 follow SQuAD's evaluation (arXiv 1606.05250): lower case, no punctuation, no
articles, single spaces.
"""

import json
import re
import string
from collections import Counter

_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " "))
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """`text` in lower case without punctuation, articles and superfluous spaces.

    >>> normalise("The  Filter is worn.")
    'filter is worn'
    """
    plain = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def exact_match(answer: str, reference: str) -> float:
    """1 if both are the same after normalisation, else 0."""
    return float(normalise(answer) == normalise(reference))


def token_f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall of the words, counted with repetition; two empty texts match."""
    given, wanted = normalise(answer).split(), normalise(reference).split()
    if not given or not wanted:
        return float(given == wanted)
    shared = sum((Counter(given) & Counter(wanted)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(given), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def json_equal(answer: str, reference: str) -> float:
    """1 if both are JSON for the same value, whatever its layout and key order; 0 if either is no JSON."""
    try:
        return float(_canonical(answer) == _canonical(reference))
    except ValueError:
        return 0.0


def _canonical(text: str) -> str:
    """Sorted and compact; as text, because in Python `1 == True == 1.0`."""
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
