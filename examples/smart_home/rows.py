"""Training rows: questions as branches on the tree of what they share, many trees side by side in a row.

All branches of a tree see its trunk (system prompt, history, passages) and themselves, never each other,
and continue the trunk's positions; so every branch is exactly the prompt that serving sends, while the
passages are computed once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from examples.smart_home.lesson import Exercise
from examples.smart_home.tokens import END, render

_WORTH_A_TRUNK = 4  # branches for which a trunk is still computed
_LEFT_OVER = 6  # trees without room that end a batch


class Branch(NamedTuple):
    """Tokens after the trunk; from `answer` on they are to be predicted."""

    tokens: list[int]
    answer: int
    tag: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A trunk with its branches."""

    trunk: list[int]
    branches: list[Branch]

    def __len__(self) -> int:
        return len(self.trunk) + sum(len(branch.tokens) for branch in self.branches)


class Batch(NamedTuple):
    """`rows` rows of `time` tokens; answers are flat over all rows."""

    tokens: Tensor  # (rows, time)
    positions: Tensor  # (rows, time)
    mask: Tensor  # (rows, 1, time, time)
    read: Tensor  # (answer tokens,) flat indices of the positions before each answer token
    target: Tensor  # (answer tokens,)
    answer: Tensor  # (answer tokens,) number of the answer a token belongs to
    tags: list[str]  # one per answer


def grow(exercises: Sequence[Exercise], tokenizer: Tokenizer) -> Tree:
    """The tree of `exercises`."""
    prompts = [e.ids for e in tokenizer.encode_batch([render(exercise.messages) for exercise in exercises])]
    answers = [e.ids for e in tokenizer.encode_batch([f" {exercise.answer}{END}" for exercise in exercises])]
    trunk = _shared(prompts) if len(prompts) > 1 else []
    branches = [
        Branch(prompt[len(trunk) :] + answer, len(prompt) - len(trunk), exercise.tag)
        for exercise, prompt, answer in zip(exercises, prompts, answers, strict=True)
    ]
    return Tree(trunk, branches)


def _shared(prompts: list[list[int]]) -> list[int]:
    """What all `prompts` begin with, short of the whole of any."""
    together = zip(*(prompt[:-1] for prompt in prompts), strict=False)
    return [column[0] for column in takewhile(lambda column: len(set(column)) == 1, together)]


def prune(tree: Tree, most: int) -> Tree:
    """`tree` without its last branches, until it has at most `most` tokens."""
    branches = list(tree.branches)
    while len(branches) > 1 and len(tree.trunk) + sum(len(b.tokens) for b in branches) > most:
        branches.pop()
    return Tree(tree.trunk, branches)


@dataclass(slots=True)
class _Row:
    time: int
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)  # tree of each token
    leaves: list[int] = field(default_factory=list)  # branch of each token, 0 in the trunk
    answers: list[tuple[int, int, str]] = field(default_factory=list)  # first answer token, end, tag

    @property
    def room(self) -> int:
        return self.time - len(self.tokens)

    def add(self, tree: Tree) -> None:
        group = self.groups[-1] + 1 if self.groups else 1
        self._extend(tree.trunk, 0, group, 0)
        for leaf, branch in enumerate(tree.branches, start=1):
            start = len(self.tokens)
            self._extend(branch.tokens, len(tree.trunk), group, leaf)
            self.answers.append((start + branch.answer, len(self.tokens), branch.tag))

    def _extend(self, tokens: list[int], position: int, group: int, leaf: int) -> None:
        self.tokens += tokens
        self.positions += range(position, position + len(tokens))
        self.groups += [group] * len(tokens)
        self.leaves += [leaf] * len(tokens)


def batches(trees: Iterable[Tree], rows: int, time: int, pad: int) -> Iterator[Batch]:
    """Batches of `rows` rows. A tree goes into the fullest row with room, else it is pruned to the most room;
    when that would leave too little of several trees, the batch is done and they begin the next."""
    waiting = [_Row(time) for _ in range(rows)]
    left: list[Tree] = []
    for tree in trees:
        if not _place(tree, waiting):
            left.append(tree)
        if len(left) == _LEFT_OVER:
            yield _stack(waiting, pad)
            waiting = [_Row(time) for _ in range(rows)]
            for late in left:  # one that still has no room is longer than a row
                _place(late, waiting)
            left = []


def _place(tree: Tree, rows: list[_Row]) -> bool:
    """Add as much of `tree` as the emptiest row holds to a row, if that is worth its trunk."""
    fitted = prune(tree, max(row.room for row in rows))
    fitting = [row for row in rows if len(fitted) <= row.room]
    worth = len(fitted.branches) >= min(len(tree.branches), _WORTH_A_TRUNK)
    if fitting and worth:
        min(fitting, key=lambda row: row.room).add(fitted)
    return bool(fitting and worth)


def one_batch(trees: Sequence[Tree], pad: int) -> Batch:
    """All `trees`, one per row."""
    made = []
    for tree in trees:
        row = _Row(max(map(len, trees)))
        row.add(tree)
        made.append(row)
    return _stack(made, pad)


def _stack(rows: list[_Row], pad: int) -> Batch:
    time = rows[0].time
    tokens = torch.full((len(rows), time), pad)
    positions, groups, leaves = (torch.zeros(len(rows), time, dtype=torch.long) for _ in range(3))
    read: list[int] = []
    target: list[int] = []
    answer: list[int] = []
    tags: list[str] = []
    for number, row in enumerate(rows):
        length = len(row.tokens)
        tokens[number, :length] = torch.tensor(row.tokens)
        positions[number, :length] = torch.tensor(row.positions)
        groups[number, :length] = torch.tensor(row.groups)
        leaves[number, :length] = torch.tensor(row.leaves)
        for start, end, tag in row.answers:
            read += range(number * time + start - 1, number * time + end - 1)
            target += row.tokens[start:end]
            answer += [len(tags)] * (end - start)
            tags.append(tag)
    return Batch(tokens, positions, _mask(groups, leaves), torch.tensor(read), torch.tensor(target), torch.tensor(answer), tags)


def _mask(groups: Tensor, leaves: Tensor) -> Tensor:
    """(rows, 1, time, time): earlier, of the same tree, and in its trunk or on the same branch."""
    time = groups.shape[1]
    tree = groups[:, :, None] == groups[:, None, :]
    branch = (leaves[:, None, :] == 0) | (leaves[:, :, None] == leaves[:, None, :])
    earlier = torch.ones(time, time, dtype=torch.bool).tril()
    return (tree & branch & earlier)[:, None]
