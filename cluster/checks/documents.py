"""Whether the documents are there, and their index with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path as FilePath

from cluster.checks.finding import Finding, blocked, ok, warning
from cluster.config import Config, Documents
from policies.errors import ConfigurationError
from policies.types import NONE

_READ = 20
"""So many files that are not in the index are read, to tell those that are new from those that can never be in it: `isthmus up`
waits for this check. If there are more, indexing the new ones leaves the others for the next check."""
_NAMED = 3


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
    from cluster.index.files import find, load, source_of
    from cluster.index.formats import Unreadable

    files = {source_of(documents.folder, path): path for path in find(documents.folder, documents.index)}
    try:
        indexed = read_manifest(documents.index).files
    except ConfigurationError as error:
        return blocked("documents", _none_readable(documents, files) or str(error))
    hashes: dict[str, str] = {}
    for source, path in files.items():
        with suppress(Unreadable):
            hashes[source] = load(documents.folder, path).sha256
    changed = [source for source, sha256 in hashes.items() if source in indexed and indexed[source].sha256 != sha256]
    missing = [source for source in files if source not in hashes or source not in indexed]
    read = {source: _unreadable(documents, files[source]) for source in (changed + missing)[:_READ]}
    broken = {source: why for source, why in read.items() if why}
    stale, new = (sum(source not in broken for source in sources) for sources in (changed, missing))
    gone = len(indexed.keys() - files.keys())
    sentences = []
    if stale or new or gone:
        sentences.append(
            f"the index is not up to date: {stale} of {len(files)} files changed, {new} are not in it, {gone} are gone; "
            "run 'isthmus index'."
        )
    if broken:
        sentences.append(f"{len(broken)} of {len(files)} files cannot be read, mend or remove them: {_named(broken)}.")
    return warning("documents", " ".join(sentences)) if sentences else ok("documents", f"{len(files)} files, all in the index")


def _none_readable(documents: Documents, files: dict[str, FilePath]) -> str | None:
    """Why there is nothing to build an index of, as a sentence; None if there is, or too much to read it all."""
    broken: dict[str, str] = {}
    for source, path in files.items():
        why = _unreadable(documents, path) if len(broken) < _READ else None
        if why is None:
            return None
        broken[source] = why
    mend = "mend these files or add others, then run 'isthmus index'."
    return f"no index can be built of {documents.folder}: {_named(broken)}; {mend}"


def _unreadable(documents: Documents, path: FilePath) -> str | None:
    """Why a file cannot be in an index; None if it can."""
    from cluster.index.files import load, read
    from cluster.index.formats import Unreadable

    try:
        return None if read(load(documents.folder, path), documents.chunk_words) else "it has no text"
    except Unreadable as error:
        return str(error)


def _named(broken: dict[str, str]) -> str:
    named = [f"{source}: {why}" for source, why in broken.items()]
    more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    return "; ".join(named[:_NAMED] + more)
