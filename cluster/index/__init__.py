"""The documents of a domain: read, cut into passages, indexed by words and by meaning."""

from cluster.index.build import IndexReport, OnProgress, Phase, Skipped, build_index
from cluster.index.chunks import Chunk
from cluster.index.index import Index, open_index
from cluster.index.manifest import Manifest, read_manifest

__all__ = [
    "Chunk",
    "Index",
    "IndexReport",
    "Manifest",
    "OnProgress",
    "Phase",
    "Skipped",
    "build_index",
    "open_index",
    "read_manifest",
]
