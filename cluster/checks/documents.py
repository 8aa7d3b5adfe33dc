"""Whether the documents are there, and their index with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from cluster.checks.finding import Finding, blocked, ok, warning
from cluster.config import Config, Documents
from policies.errors import ConfigurationError
from policies.types import NONE


def check_documents(config: Config) -> Iterator[Finding]:
    """The folder and the index, if the stages need them."""
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
    from cluster.index.formats import Unreadable

    paths = find(documents.folder, documents.index)
    indexed = read_manifest(documents.index).files
    hashes: dict[str, str] = {}
    for path in paths:
        with suppress(Unreadable):
            file = load(documents.folder, path)
            hashes[file.source] = file.sha256
    changed = sum(source in indexed and indexed[source].sha256 != sha256 for source, sha256 in hashes.items())
    missing = len(paths) - len(hashes.keys() & indexed.keys())
    gone = len(indexed.keys() - {path.relative_to(documents.folder).as_posix() for path in paths})
    if changed or missing or gone:
        return warning(
            "documents",
            f"the index is not up to date: {changed} of {len(paths)} files changed, {missing} are not in it (new or unreadable), "
            f"{gone} are gone; run 'isthmus index'.",
        )
    return ok("documents", f"{len(paths)} files, all in the index")
