"""Whatever is posted, the gateway answers it as documented, and only what was signed reaches the DCC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hanota.duis.parse_response import parse_response
from hanota.emulator.loop import run_virtual
from tests.api.gateway_support import gateway
from tests.duis_support import ACTIVATE, SIGNED

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

_TAGS = [part + b">" for part in SIGNED.split(b">") if part]


@st.composite
def mutations(draw: DrawFn) -> bytes:
    """Return the signed request with octets changed, or with tags left out, doubled or exchanged."""
    if draw(st.booleans()):
        document = bytearray(SIGNED)
        for _ in range(draw(st.integers(1, 4))):
            at = draw(st.integers(0, len(document) - 1))
            document[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
        return bytes(document)
    tags = list(_TAGS)
    for _ in range(draw(st.integers(1, 3))):
        first, second = draw(st.integers(0, len(tags) - 1)), draw(st.integers(0, len(tags) - 1))
        match draw(st.sampled_from(["drop", "double", "exchange"])):
            case "drop":
                del tags[first]
            case "double":
                tags.insert(second, tags[first])
            case _:
                tags[first], tags[second] = tags[second], tags[first]
    return b"".join(tags)


def check(document: bytes, service: str, content_type: str) -> None:
    async def run() -> None:
        post = gateway()
        response = await post(document, service, {"Content-Type": content_type})

        assert all(submission.request == ACTIVATE for submission in post.dcc.submissions)
        if response.status_code == 200:
            answer = parse_response(response.content)
            assert (answer.response_code == "I99") == bool(post.dcc.submissions)
            assert bool(post.dcc.submissions) != bool(post.dcc.refusals)
        else:
            assert response.status_code in {400, 415}
            assert response.headers["content-type"].startswith("text/plain")
            assert not post.dcc.submissions

    run_virtual(run())


@given(mutations(), st.sampled_from(["serviceD", "serviceS", "serviceT"]))
def test_a_signed_request_that_was_changed_is_refused_unless_it_says_the_same(
    document: bytes, service: str
) -> None:
    check(document, service, "application/xml")


@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8"))),
    st.sampled_from(["application/xml", "text/xml; charset=utf-8", "text/xml;charset", "", ";", "x/y;a=b"]),
)
def test_anything_at_all_is_answered_in_words(document: bytes, content_type: str) -> None:
    check(document, "serviceD", content_type)
