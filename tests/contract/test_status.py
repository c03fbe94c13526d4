"""Errors over a real server: what is raised there arrives here."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto import errors
from airoto.errors import AIRotoError, Violation, all_kinds, error_from_dict, error_to_dict
from airoto.wire import detail, status
from airoto.wire.channel import connect, parse_target
from airoto.wire.messages import ErrorDetail, GetServerInfoRequest, RenderRequest, RenderResponse
from airoto.wire.methods import METHODS

KINDS = sorted(all_kinds().items())


def example(cls: type[AIRotoError]) -> AIRotoError:
    return cls(
        "frame 1007 of plates/ñandú.%04d.exr is broken",
        hint="render it again",
        violations=(
            Violation("objects[1].name", '"a b"', "letters"),
            Violation("plate.path", "", "a path"),
        ),
        frame=0,
        path="/plates/ñandú 1007.exr",
        retry_after=2.5,
    )


def everything(error: AIRotoError) -> dict[str, Any]:
    return {"class": type(error), **error.__dict__}


class Failing:
    """Every call fails with the error of the test."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.waiting = threading.Event()

    async def GetServerInfo(self, request: Any, context: Any) -> Any:
        if isinstance(self.error, AIRotoError):
            await context.abort(*status.to_status(self.error))
        raise self.error

    async def Render(self, request: Any, context: Any) -> Any:
        yield RenderResponse()
        if isinstance(self.error, AIRotoError):
            await context.abort(*status.to_status(self.error))
        self.waiting.set()
        await asyncio.sleep(60)

    async def _refuse(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")

    ProvePath = ProbePlate = Upload = Download = Detect = Segment = Matte = GetStatus = _refuse
    AttachRing = DetachRing = TakePlane = PutPlane = ReadMatte = _refuse


def raised_by_info(target: str, timeout: float = 20) -> AIRotoError:
    with connect(target) as channel, pytest.raises(grpc.RpcError) as caught:
        METHODS["GetServerInfo"].bind(channel)(GetServerInfoRequest(), timeout=timeout)
    return status.from_rpc_error(caught.value, target)


def test_every_kind_of_error_has_a_status() -> None:
    assert set(all_kinds().values()) <= set(status.CODES)


def test_subclasses_stand_before_their_bases_in_the_table() -> None:
    order = list(status.CODES)
    for index, cls in enumerate(order):
        assert not any(issubclass(later, cls) for later in order[index + 1 :])


@pytest.mark.parametrize(("kind", "cls"), KINDS)
def test_an_error_arrives_whole(kind: str, cls: type[AIRotoError], serve: Any) -> None:
    sent = example(cls)
    received = raised_by_info(serve(Failing(sent)))
    assert everything(received) == everything(sent)
    assert received.kind == kind
    assert str(received) == sent.message


def test_an_error_in_the_middle_of_a_stream_arrives_whole(serve: Any) -> None:
    sent = example(errors.FrameMissingError)
    with connect(serve(Failing(sent))) as channel:
        events = METHODS["Render"].bind(channel)(RenderRequest(), timeout=20)
        next(events)
        with pytest.raises(grpc.RpcError) as caught:
            next(events)
    assert everything(status.from_rpc_error(caught.value)) == everything(sent)


def test_an_error_arrives_whole_on_an_asyncio_channel(serve: Any) -> None:
    sent = example(errors.ColourError)
    address = parse_target(serve(Failing(sent))).address

    async def call() -> AIRotoError:
        async with grpc.aio.insecure_channel(address) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await METHODS["GetServerInfo"].bind(channel)(GetServerInfoRequest())
            return status.from_rpc_error(caught.value)

    assert everything(asyncio.run(call())) == everything(sent)


def test_an_error_without_frame_stays_without(serve: Any) -> None:
    assert raised_by_info(serve(Failing(errors.BusyError("full")))).frame is None


def test_a_refusal_with_ten_thousand_violations_still_arrives(serve: Any) -> None:
    wrong = tuple(Violation(f"objects[{i}].näme", '"é"' * 50, "ü" * 500) for i in range(10_000))
    sent = errors.RecipeError("ä" * 9000, hint="h" * 9000, path="/p" * 9000, violations=wrong)
    received = raised_by_info(serve(Failing(sent)))
    assert type(received) is errors.RecipeError
    assert received.message.startswith("äää")
    assert received.violations[0].path == wrong[0].path
    left = int(received.violations[-1].found.split()[0])
    assert len(received.violations) - 1 + left == 10_000


def test_a_fault_of_the_server_is_an_internal_error(serve: Any) -> None:
    received = raised_by_info(serve(Failing(ZeroDivisionError("x"))))
    assert type(received) is errors.InternalError
    assert "log" in received.hint


def test_no_server_is_unreachable_with_a_next_step(tmp_path: Any) -> None:
    target = f"unix:{tmp_path}/none.sock"
    received = raised_by_info(target)
    assert type(received) is errors.ServerUnreachableError
    assert target in received.message
    assert "airoto serve" in received.hint


def test_a_call_over_its_time_has_timed_out(serve: Any) -> None:
    with connect(serve(Failing(ValueError()))) as channel:
        events = METHODS["Render"].bind(channel)(RenderRequest(), timeout=0.5)
        with pytest.raises(grpc.RpcError) as caught:
            list(events)
    assert type(status.from_rpc_error(caught.value)) is errors.TimedOutError


def test_a_call_given_up_is_cancelled(serve: Any) -> None:
    failing = Failing(ValueError())
    with connect(serve(failing)) as channel:
        events = METHODS["Render"].bind(channel)(RenderRequest(), timeout=20)
        next(events)
        assert failing.waiting.wait(20)
        events.cancel()
        with pytest.raises(grpc.RpcError) as caught:
            next(events)
    assert type(status.from_rpc_error(caught.value)) is errors.CancelledError


def test_a_message_above_the_limit_is_too_large(serve: Any) -> None:
    request = RenderRequest()
    request.recipe.name = "x" * (5 * 1024 * 1024)
    with connect(serve(Failing(ValueError()))) as channel:
        events = METHODS["Render"].bind(channel)(request, timeout=20)
        with pytest.raises(grpc.RpcError) as caught:
            list(events)
    assert type(status.from_rpc_error(caught.value)) is errors.TooLargeError


class _Refused(grpc.RpcError):
    """A status as another program's server or a proxy may give it."""

    def __init__(self, code: grpc.StatusCode, metadata: Any = None) -> None:
        self._code, self._metadata = code, metadata

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "said so"

    def trailing_metadata(self) -> Any:
        return self._metadata


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.name != "OK"])
def test_every_status_without_our_detail_becomes_an_error(code: grpc.StatusCode) -> None:
    error = status.from_rpc_error(_Refused(code), "localhost:7000")
    assert isinstance(error, AIRotoError)
    assert "{" not in error.message


def test_a_damaged_detail_falls_back_on_the_status() -> None:
    refused = _Refused(grpc.StatusCode.UNAUTHENTICATED, (("airoto-error-bin", b"\xff\xff"),))
    assert type(status.from_rpc_error(refused)) is errors.UnauthenticatedError


def test_a_kind_of_a_newer_version_falls_back_on_the_status_but_keeps_its_words() -> None:
    data = ErrorDetail(kind="moon_phase", message="wait", hint="two weeks").SerializeToString()
    refused = _Refused(grpc.StatusCode.INVALID_ARGUMENT, (("airoto-error-bin", data),))
    error = status.from_rpc_error(refused)
    assert type(error) is errors.BadRequestError
    assert (error.message, error.hint) == ("wait", "two weeks")


@pytest.mark.parametrize(("kind", "cls"), KINDS)
def test_an_error_goes_through_a_json_line(kind: str, cls: type[AIRotoError]) -> None:
    line = json.dumps(error_to_dict(example(cls)))
    assert everything(error_from_dict(json.loads(line))) == everything(example(cls))
    assert json.loads(line)["kind"] == kind


@given(st.text(st.characters(), max_size=60), st.integers(8, 40))
def test_a_clipped_text_fits_and_keeps_its_ends(text: str, limit: int) -> None:
    clipped = detail.clip(text, limit)
    whole = text.encode("utf-8", "backslashreplace").decode()
    assert len(clipped.encode()) <= limit
    if len(whole.encode()) <= limit:
        assert clipped == whole
    else:
        start, end = clipped.split("…", 1) if whole.count("…") == 0 else ("", "")
        assert whole.startswith(start)
        assert whole.endswith(end)
