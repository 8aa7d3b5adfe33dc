"""Vectors of many questions for a command, with a bar while they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_BATCH = 256  # questions between two looks of the bar


def embed(*groups: Sequence[str]) -> list[npt.NDArray[np.float64]]:
    """Unit vectors of each group of texts by the packaged encoder, shape (texts, width)."""
    import numpy as np
    from rich.console import Console
    from rich.progress import Progress

    from cluster.encoder import open_encoder

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("embedding", total=sum(map(len, groups)))
        encoder = open_encoder()
        vectors = []
        for texts in groups:
            parts = []
            for start in range(0, len(texts), _BATCH):
                parts.append(encoder.encode(texts[start : start + _BATCH]))
                progress.advance(task, len(parts[-1]))
            vectors.append(np.concatenate(parts).astype(np.float64))
    return vectors
