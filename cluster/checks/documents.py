"""Whether the documents are there, and their index with them."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.checks.finding import Finding, blocked, ok, warning
from cluster.config import Config, Documents
from policies.errors import ConfigurationError
from policies.types import NONE


def check_documents(config: Config) -> Iterator[Finding]:
    """The folder, the index and the reranker, as far as the stages need them."""
    if "rerank" in config.stages.refine and config.stages.reranker is None:
        yield blocked(
            "stages.reranker", "the stage rerank needs a cross-encoder; give a folder or a hub name under stages.reranker."
        )
    if all(option == NONE for option in config.stages.retrieve):
        return
    if config.documents is None:
        yield blocked("documents", "the retrieve options need documents; give documents.folder or keep only retrieve: [none].")
        return
    try:
        yield _index(config.documents)
    except ConfigurationError as error:
        yield blocked("documents", str(error))


def _index(documents: Documents) -> Finding:
    """Compare the files with those that the index was built from, by their hashes."""
    from cluster.index import read_manifest
    from cluster.index.files import find, load

    files = [load(documents.folder, path) for path in find(documents.folder, documents.index)]
    indexed = read_manifest(documents.index).files
    changed = sum(file.source in indexed and indexed[file.source].sha256 != file.sha256 for file in files)
    missing = sum(file.source not in indexed for file in files)
    gone = len(indexed.keys() - {file.source for file in files})
    if changed or missing or gone:
        return warning(
            "documents",
            f"the index is not up to date: {changed} of {len(files)} files changed, {missing} are not in it (new or unreadable), "
            f"{gone} are gone; run 'isthmus index'.",
        )
    return ok("documents", f"{len(files)} files, all in the index")
