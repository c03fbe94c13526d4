"""Parts of a stream: the same bytes as protobuf's own messages, both ways."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from airoto.wire.messages import Chunk, DownloadResponse, EncodedFile, PlaneHeader, UploadRequest
from airoto.wire.parts import from_wire, to_wire

said = st.one_of(
    st.just(Chunk()),
    st.builds(Chunk, sha256=st.text(max_size=70)),
    st.builds(
        lambda name, size: Chunk(header=PlaneHeader(encoded=EncodedFile(name=name), size=size)),
        st.text(max_size=300),
        st.integers(0, 2**64 - 1),
    ),
)


@given(st.binary(max_size=300) | st.integers(16_370, 16_400).map(bytes))
@example(bytes(1 << 20))
@example(bytes(2_097_160))
def test_data_is_written_and_read_as_protobuf_does(data: bytes) -> None:
    message = to_wire(memoryview(data))
    assert message == UploadRequest(chunk=Chunk(data=data)).SerializeToString()
    assert message == DownloadResponse(chunk=Chunk(data=data)).SerializeToString()
    assert bytes(from_wire(message)) == data


@given(said)
def test_what_else_is_said_is_written_and_read_as_protobuf_does(chunk: Chunk) -> None:
    message = to_wire(chunk)
    assert message == UploadRequest(chunk=chunk).SerializeToString()
    assert from_wire(message) == chunk


@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_protobuf_reads_them(message: bytes) -> None:
    try:
        chunk = UploadRequest.FromString(message).chunk
    except DecodeError:
        with pytest.raises(DecodeError):
            from_wire(message)
        return
    part = from_wire(message)
    if chunk.WhichOneof("part") == "data":
        assert bytes(part) == chunk.data
    else:
        assert part == chunk


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=8))
def test_data_with_something_behind_it_is_read_as_protobuf_reads_it(
    data: bytes, more: bytes
) -> None:
    test_any_bytes_are_read_as_protobuf_reads_them.hypothesis.inner_test(to_wire(data) + more)
