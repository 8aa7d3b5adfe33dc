"""One sentence for a body that pydantic refused."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from policies.errors import InvalidRequest


def invalid(error: ValidationError, rename: Callable[[str], str] = str) -> InvalidRequest:
    """The first mistake as an OpenAI-like error whose `param` is the field; `rename` maps the field to what the caller wrote."""
    mistake = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(step) for step in mistake["loc"])
    match mistake["type"]:
        case "json_invalid":
            return InvalidRequest(f"The body is not valid JSON: {mistake['msg'].removeprefix('Invalid JSON: ')}.")
        case "model_type" | "dataclass_type" if not place:
            return InvalidRequest("The body is not a JSON object; send one with the fields of the OpenAI API.")
        case "missing":
            return InvalidRequest(f"The field {rename(place)!r} is missing.", rename(place))
        case "extra_forbidden":
            return InvalidRequest(f"The field {rename(place)!r} is unknown to this service; leave it out.", rename(place))
    reason = mistake["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    return InvalidRequest(f"The field {rename(place)!r} is wrong: {reason}{_shown(mistake['input'])}.", rename(place))


def _shown(value: object) -> str:
    """The refused value if it is short enough to help."""
    text = repr(value)
    return f" (it is {text})" if isinstance(value, str | int | float | bool) and len(text) <= 60 else ""
