"""Characters whole, stop strings never."""

from hypothesis import given
from hypothesis import strategies as st

from deployments.models.text import TextStream


def say(pieces: list[bytes], stop: tuple[str, ...] = ()) -> list[str]:
    stream = TextStream(stop)
    return [stream.feed(piece) for piece in pieces] + [stream.end()]


def test_a_character_comes_when_its_last_byte_has():
    smile = "🙂".encode()
    assert say([b"a", smile[:1], smile[1:3], smile[3:]]) == ["a", "", "", "🙂", ""]


def test_bytes_that_are_no_text_become_the_replacement_character():
    assert "".join(say([b"a\xff", b"\xe3"])) == "a\ufffd\ufffd"


def test_a_stop_string_over_several_tokens_is_never_seen():
    assert say([b"one ST", b"O", b"P two"], ("STOP",)) == ["one ", "", "", ""]


def test_what_only_began_like_a_stop_string_comes_late_but_comes():
    assert say([b"one ST", b"AY", b" S"], ("STOP",)) == ["one ", "STAY", " ", "S"]


def test_the_first_of_several_stop_strings_counts():
    assert "".join(say([b"a END b STOP"], ("STOP", "END"))) == "a "


def test_an_empty_stop_string_stops_nothing():
    assert "".join(say([b"a"], ("",))) == "a"


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=4), max_size=3), st.randoms())
def test_however_the_bytes_are_cut_the_text_is_the_same(text: str, stop: list[str], random):
    raw, pieces = text.encode(), []
    while raw:
        size = random.randint(1, 4)
        pieces.append(raw[:size])
        raw = raw[size:]
    ends = [text.find(word) for word in stop if word in text]
    said = "".join(say(pieces, tuple(stop)))
    if not ends:
        assert said == text
    else:
        # Bytes may complete a later, shorter stop string first; what has been said never holds one.
        assert text.startswith(said)
        assert not any(word in said for word in stop)
