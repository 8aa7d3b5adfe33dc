"""Lists of random keys and values to recall: reading without language, learned before it."""

from random import Random

from examples.smart_home.rows import Branch, Tree
from examples.smart_home.tokens import SPECIALS


def recall_tree(vocabulary: int, random: Random, pairs: int = 8, asked: int = 6) -> Tree:
    """`pairs` keys of two tokens with values of three; `asked` of the keys want their value.

    The first keys share their first token, so that one token of context is not enough to find them.
    """
    tokens = random.sample(range(len(SPECIALS), vocabulary), k=5 * pairs)
    keys = [tokens[5 * i : 5 * i + 2] for i in range(pairs)]
    values = [tokens[5 * i + 2 : 5 * i + 5] for i in range(pairs)]
    for twin in range(1, pairs, 2):
        keys[twin][0] = keys[twin - 1][0]
    order = random.sample(range(pairs), k=pairs)
    trunk = [token for i in order for token in (*keys[i], *values[i])]
    return Tree(trunk, [Branch([*keys[i], *values[i]], 2, "recall") for i in random.sample(range(pairs), k=asked)])
