"""API keys: only their digests are kept."""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

from policies.errors import ConfigurationError, Unauthorized


class Keys:
    """The accepted keys. Holds digests only, so that no key lies in a pickled argument or a dump of memory."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        """Accept `keys`; none at all leaves the door open."""
        self._digests = tuple(_digest(key.encode()) for key in keys)

    @classmethod
    def from_environment(cls, variable: str | None, setting: str = "gateway.api_keys_env") -> Keys:
        """The comma-separated keys in `variable`; open when it is None. Raises ConfigurationError when it holds none.

        `setting` is the key of the configuration that names it.
        """
        if variable is None:
            return cls(())
        keys = tuple(key.strip() for key in os.environ.get(variable, "").split(",") if key.strip())
        if not keys:
            raise ConfigurationError(f"{setting} names {variable}, but that variable holds no key; set it or drop the entry.")
        return cls(keys)

    def check(self, authorization: bytes | None) -> None:
        """Raise Unauthorized unless `authorization` is `Bearer KEY`; takes the same time for every wrong key."""
        if not self._digests:
            return
        scheme, _, key = (authorization or b"").partition(b" ")
        given = _digest(key.strip())
        accepted = [hmac.compare_digest(given, digest) for digest in self._digests]
        if scheme.lower() != b"bearer" or not any(accepted):
            raise Unauthorized

    def client(self, authorization: bytes | None) -> str:
        """Who sends an accepted request, without telling the key. With an open door all are one: names could be made up."""
        if not self._digests:
            return "anyone"
        return _digest((authorization or b"").partition(b" ")[2].strip()).hex()[:16]


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()
