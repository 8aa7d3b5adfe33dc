"""Training rows: questions as branches on the tree of what they share, many trees side by side in a row.

All branches of a tree see its trunk (system prompt, history, passages) and themselves, never each other,
and continue the trunk's positions; so every branch is exactly the prompt that serving sends, while the
passages are computed once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from examples.smart_home.lesson import Exercise
from examples.smart_home.tokens import END, render


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
    answers = [e.ids for e in tokenizer.encode_batch([exercise.answer + END for exercise in exercises])]
    shared = len(commonprefix(prompts)) if len(prompts) > 1 else 0
    trunk = prompts[0][: min(shared, min(map(len, prompts)) - 1)]
    branches = [
        Branch(prompt[len(trunk) :] + answer, len(prompt) - len(trunk), exercise.tag)
        for exercise, prompt, answer in zip(exercises, prompts, answers, strict=True)
    ]
    return Tree(trunk, branches)


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

    def room_for(self, tree: Tree) -> bool:
        return len(self.tokens) + len(tree) <= self.time

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
    """Batches of `rows` full rows; a tree goes into the fullest row with room, a batch ends when one has none."""
    waiting = [_Row(time) for _ in range(rows)]
    for tree in trees:
        tree = prune(tree, time)
        if len(tree) > time:
            continue
        fitting = [row for row in waiting if row.room_for(tree)]
        if not fitting:
            yield _stack(waiting, pad)
            waiting = [_Row(time) for _ in range(rows)]
            fitting = waiting
        max(fitting, key=lambda row: len(row.tokens)).add(tree)


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
    read, target, answer, tags = [], [], [], []
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
    return Batch(
        tokens, positions, _mask(groups, leaves), torch.tensor(read), torch.tensor(target), torch.tensor(answer), tags
    )


def _mask(groups: Tensor, leaves: Tensor) -> Tensor:
    """(rows, 1, time, time): earlier, of the same tree, and in its trunk or on the same branch."""
    time = groups.shape[1]
    tree = groups[:, :, None] == groups[:, None, :]
    branch = (leaves[:, None, :] == 0) | (leaves[:, :, None] == leaves[:, None, :])
    earlier = torch.ones(time, time, dtype=torch.bool).tril()
    return (tree & branch & earlier)[:, None]


