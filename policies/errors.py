"""Everything that Isthmus refuses, as types with the numbers in them.

IsthmusError
├── ConfigurationError      the installation or its configuration is wrong (exit code 2)
├── RequestError            the caller can mend it (HTTP 4xx)
│   ├── InvalidRequest          400
│   ├── ContextTooLong          400
│   ├── Unauthorized            401
│   ├── UnknownModel            404
│   ├── NotFound                404
│   ├── MethodNotAllowed        405
│   ├── RequestTooLarge         413
│   ├── InfeasibleSlo           422
│   └── Overloaded              429, with the seconds to wait
│       └── RateLimited             the same, from a remote service
└── ServiceError            the cluster could not do it (HTTP 5xx)
    ├── EngineUnavailable       503
    ├── EngineFailed            502
    └── DeadlineExceeded        504

Each sentence says what is wrong and how to mend it. Positional arguments are kept in `args`, so that
an error survives the pickling of a Ray call.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class IsthmusError(Exception):
    """Base of every error raised on purpose; catch it to show one sentence instead of a trace."""


class ConfigurationError(IsthmusError):
    """The configuration, a file it names or the machine does not allow to start."""


class RequestError(IsthmusError):
    """The request is wrong; sending it again unchanged cannot help (but see `Overloaded`)."""

    status = 400
    code = "invalid_request"
    type = "invalid_request_error"
    param: str | None = None


class InvalidRequest(RequestError):
    """A field of the request is missing or has a value that is not allowed."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message, param)
        self.message = message
        self.param = param

    def __str__(self) -> str:
        return self.message


class ContextTooLong(RequestError):
    """Prompt and answer do not fit into the model's context."""

    code = "context_length_exceeded"
    param = "messages"

    def __init__(self, model: str, prompt_tokens: int, max_tokens: int, context_tokens: int) -> None:
        super().__init__(model, prompt_tokens, max_tokens, context_tokens)
        self.model = model
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self.context_tokens = context_tokens

    def __str__(self) -> str:
        return (
            f"The prompt has {self.prompt_tokens} tokens and asks for {self.max_tokens} more, but the context of "
            f"{self.model} holds {self.context_tokens}; shorten the messages or lower max_tokens."
        )


class Unauthorized(RequestError):
    """The request carries no key, or one that is not accepted."""

    status = 401
    code = "invalid_api_key"
    type = "authentication_error"

    def __str__(self) -> str:
        return "The API key is missing or not accepted; send it as 'Authorization: Bearer KEY'."


class UnknownModel(RequestError):
    """`model` is neither `auto` nor a path or model of the configuration."""

    status = 404
    code = "model_not_found"
    param = "model"

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        known = tuple(known)
        super().__init__(name, known)
        self.name = name
        self.nearest = get_close_matches(name, known, n=1, cutoff=0.4)

    def __str__(self) -> str:
        hint = f" Did you mean {self.nearest[0]!r}?" if self.nearest else ""
        return f"No path or model is called {self.name!r}.{hint} GET /v1/models lists all names; 'auto' lets Isthmus choose."


class NotFound(RequestError):
    """The URL names nothing that this service has."""

    status = 404
    code = "not_found"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class MethodNotAllowed(RequestError):
    """The URL exists, but not for this HTTP method."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, path: str, allowed: str) -> None:
        super().__init__(method, path, allowed)
        self.method = method
        self.path = path
        self.allowed = allowed

    def __str__(self) -> str:
        return f"{self.method} is not possible at {self.path}; use {self.allowed}."


class RequestTooLarge(RequestError):
    """The body is larger than the gateway accepts."""

    status = 413
    code = "request_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return f"The body has at least {self.size} bytes, the limit is {self.limit}; send less or raise gateway.max_body_bytes."


class InfeasibleSlo(RequestError):
    """No path keeps the caller's limits, whatever the load."""

    status = 422
    code = "infeasible_slo"

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message, param)
        self.message = message
        self.param = param

    def __str__(self) -> str:
        return self.message


class Overloaded(RequestError):
    """Every place and every seat in the queue is taken."""

    status = 429
    code = "overloaded"
    type = "rate_limit_error"

    def __init__(self, what: str, waiting: int, limit: int, retry_after_s: float) -> None:
        super().__init__(what, waiting, limit, retry_after_s)
        self.what = what
        self.waiting = waiting
        self.limit = limit
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.waiting} requests wait for {self.what}, at most {self.limit} may; try again in {self.retry_after_s:g} s."


class RateLimited(Overloaded):
    """A remote service answered 429 until all tries were used up."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(what, 0, 0, retry_after_s)
        self.args = (what, retry_after_s)

    def __str__(self) -> str:
        return f"The service behind {self.what} takes no more requests for now; try again in {self.retry_after_s:g} s."


class ServiceError(IsthmusError):
    """The cluster could not answer; the same request may succeed later."""

    status = 503
    code = "service_unavailable"
    type = "server_error"


class EngineUnavailable(ServiceError):
    """No replica of the model can be reached."""

    code = "engine_unavailable"

    def __init__(self, model: str, why: str) -> None:
        super().__init__(model, why)
        self.model = model
        self.why = why

    def __str__(self) -> str:
        return f"The model {self.model} cannot be reached ({self.why}) and no other path is left; try again shortly."


class EngineFailed(ServiceError):
    """The model answered with an error of its own."""

    status = 502
    code = "engine_failed"

    def __init__(self, model: str, why: str) -> None:
        super().__init__(model, why)
        self.model = model
        self.why = why

    def __str__(self) -> str:
        return f"The model {self.model} failed: {self.why}."


class DeadlineExceeded(ServiceError):
    """The caller's or the gateway's time limit passed before the answer was complete."""

    status = 504
    code = "deadline_exceeded"

    def __init__(self, limit_s: float, stage: str) -> None:
        super().__init__(limit_s, stage)
        self.limit_s = limit_s
        self.stage = stage

    def __str__(self) -> str:
        return f"The time limit of {self.limit_s:g} s passed during {self.stage}; allow more time or choose a faster path."


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the closest of `known`, or nothing: the tail of a sentence about a wrong name."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
