"""Recordings out of requests: in memory, never on disk, and never more than is allowed."""

import io
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from seqcap.audio.source import printable

# It would log bytes of forms that it cannot read.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: The HTTP status.
        reason: One line: what came, what was expected.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def refuse_unknown(given: Mapping[str, str], route: Any) -> None:
    """Refuses parameters of a query that a route does not know: they would change nothing.

    Args:
        given: Parameters of the request.
        route: Of FastAPI.

    Raises:
        RefusedError: 422.
    """
    known = [parameter.alias for parameter in route.dependant.query_params]
    for name in given:
        if name not in known:
            raise RefusedError(
                422,
                f"parameter '{printable(name)}' is unknown; one of {', '.join(known)} is expected",
            )


class Upload(io.BytesIO):
    """The bytes of a recording under the name it came with."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


class _InMemoryParser(MultiPartParser):
    spool_max_size = 2**62  # the body is bounded already; nothing goes to a temporary file


async def read_upload(request: Request, greatest_bytes: int, name: str | None) -> Upload:
    """Reads the recording of a request.

    Args:
        request: Its body is the recording, or a form (multipart/form-data) with a field "file".
        greatest_bytes: A longer body is refused.
        name: What answers call the recording; the name of the form's file if None.

    Raises:
        RefusedError: 413 too large, 422 no recording.
    """
    content = await _read_body(request, greatest_bytes)
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() == "multipart/form-data":
        content, own_name = await _file_of_form(request, content)
        name = name or own_name
    if not content:
        raise RefusedError(422, "an empty body; a recording is expected")
    return Upload(content, name or "<upload>")


async def _read_body(request: Request, greatest_bytes: int) -> bytes:
    too_large = RefusedError(
        413, f"a body of more than {greatest_bytes:,} bytes; send less, or a compressed recording"
    )
    promised = request.headers.get("content-length", "")
    if promised.isdecimal() and int(promised) > greatest_bytes:
        raise too_large
    content = bytearray()
    async for block in request.stream():
        content += block
        if len(content) > greatest_bytes:
            raise too_large
    return bytes(content)


async def _file_of_form(request: Request, content: bytes) -> tuple[bytes, str | None]:
    async def blocks() -> AsyncGenerator[bytes, None]:
        yield content

    try:
        parser = _InMemoryParser(request.headers, blocks(), max_files=1, max_fields=16)
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        reason = getattr(error, "message", "no boundary")
        raise RefusedError(422, f"a form that cannot be read ({reason})") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise RefusedError(422, "a form without a file; a field 'file' is expected")
        return await file.read(), file.filename
    finally:
        await form.close()
