"""API keys."""

import pickle

import pytest

from deployments.gateway.keys import Keys
from policies.errors import ConfigurationError, Unauthorized


def test_one_of_several_keys_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR_KEYS", "first, second ,")
    keys = Keys.from_environment("DOOR_KEYS")
    keys.check(b"Bearer first")
    keys.check(b"bearer second")


@pytest.mark.parametrize(
    "given", [None, b"", b"Bearer", b"Bearer ", b"Bearer third", b"Basic first", b"first", b"Bearer first second"]
)
def test_anything_else_does_not(given: bytes | None) -> None:
    with pytest.raises(Unauthorized):
        Keys(("first", "second")).check(given)


def test_without_keys_the_door_is_open() -> None:
    Keys.from_environment(None).check(None)


@pytest.mark.parametrize("value", ["", " , "])
def test_an_empty_variable_is_a_wrong_configuration(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR_KEYS", value)
    with pytest.raises(ConfigurationError, match="DOOR_KEYS"):
        Keys.from_environment("DOOR_KEYS")


def test_no_key_is_in_what_travels() -> None:
    assert b"verysecret" not in pickle.dumps(Keys(("verysecret",)))
