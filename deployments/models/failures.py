"""What a failed call to a `ModelServer` means, in the types of `policies.errors`."""

from __future__ import annotations

from ray.exceptions import NodeDiedError, RayActorError, RayTaskError, TaskCancelledError, WorkerCrashedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError

from policies.errors import EngineFailed, EngineUnavailable, IsthmusError, Overloaded

RETRY_AFTER_S = 1.0
"""A queue of short answers has moved on by then; the caller's own back-off does the rest."""

_GONE = (RayActorError, NodeDiedError, WorkerCrashedError, DeploymentUnavailableError, ReplicaUnavailableError)


def unwrap(error: Exception, model: str) -> IsthmusError:
    """The error behind `error`, which a call to the server of `model` raised at the caller.

    Errors raised on purpose come back as they were in the replica. What Ray and Serve raise themselves becomes
    EngineUnavailable (the same request may succeed elsewhere or later) or Overloaded; anything else is EngineFailed.
    """
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, IsthmusError):
        return cause
    if isinstance(cause, BackPressureError):
        waiting, limit, *_ = cause.args
        return Overloaded(model, waiting, limit, RETRY_AFTER_S)
    if isinstance(cause, _GONE):
        return EngineUnavailable(model, "its replica died or is being replaced")
    if isinstance(cause, TaskCancelledError):
        return EngineUnavailable(model, "its replica is shutting down")
    if isinstance(cause, TimeoutError):
        return EngineUnavailable(model, "no replica took the request in time")
    return EngineFailed(model, f"{type(cause).__name__}: {cause}".strip().rstrip(".:"))
