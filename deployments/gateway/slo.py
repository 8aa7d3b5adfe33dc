"""The caller's limits, from the body's `slo` and from `x-slo-*` headers."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.gateway.sentences import invalid
from policies.errors import InvalidRequest, nearest
from policies.types import OnInfeasible, Privacy, Slo

HEADER = b"x-slo-"


class SloBody(BaseModel):
    """Limits of one request; see `policies.types.Slo` for their meaning."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    max_latency_s: float | None = Field(None, gt=0)
    max_ttft_s: float | None = Field(None, gt=0)
    max_cost_usd: float | None = Field(None, gt=0)
    min_accuracy: float | None = Field(None, gt=0, le=1)
    max_energy_j: float | None = Field(None, gt=0)
    privacy: Privacy | None = None
    on_infeasible: OnInfeasible | None = None


def read_slo(body: SloBody | None, headers: Iterable[tuple[bytes, bytes]]) -> Slo:
    """Both together; where they disagree, the body counts. Raises InvalidRequest with the name of the bad limit."""
    given = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name.startswith(HEADER)}
    limits = _from_headers(given).model_dump(exclude_none=True) if given else {}
    if body is not None:
        limits |= body.model_dump(exclude_none=True)
    return Slo(**limits) if limits else _NO_LIMITS


def _from_headers(given: dict[str, str]) -> SloBody:
    fields = {name.removeprefix("x-slo-").replace("-", "_"): value for name, value in given.items()}
    for field, header in zip(fields, given, strict=True):
        if field not in SloBody.model_fields:
            raise InvalidRequest(f"No limit is called {header!r}{nearest(header, map(_header, SloBody.model_fields))}.", header)
    try:
        return SloBody.model_validate_strings(fields)
    except ValidationError as error:
        raise invalid(error, _header) from None


def _header(field: str) -> str:
    return f"x-slo-{field.replace('_', '-')}"


_NO_LIMITS = Slo()
