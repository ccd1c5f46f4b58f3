"""Live sound over a WebSocket: samples in, the lines of `seqcap listen --format jsonl` out."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import numpy as np
from fastapi import FastAPI, Query, WebSocket, WebSocketDisconnect

from seqcap.apps.listen import event_row
from seqcap.apps.serve_batches import Job
from seqcap.apps.serve_upload import RefusedError, refuse_unknown
from seqcap.audio.pcm import SAMPLE_TYPES
from seqcap.errors import SeqcapError
from seqcap.recognition.stream import Stream

if TYPE_CHECKING:
    from seqcap.apps.serve_app import Service

_POLICY, _TRY_LATER = 1008, 1013
_LONGEST_REASON = 120  # bytes that a WebSocket's close can hold


class SampleType(StrEnum):
    """How samples lie in messages."""

    S16LE = "s16le"
    S32LE = "s32le"
    F32LE = "f32le"


def add_stream(app: FastAPI, service: "Service") -> None:
    """Adds ``/v1/stream`` to the service.

    Binary messages hold samples; the text "end" asks for the last answer and ends the stream.
    """
    app.state.open_streams = 0

    @app.websocket("/v1/stream")
    async def stream(
        socket: WebSocket,
        rate: Annotated[float, Query()] = 16000,
        channels: Annotated[int, Query(ge=1, le=64)] = 1,
        samples: Annotated[SampleType, Query()] = SampleType.S16LE,
        horizon: Annotated[float, Query(ge=0.04, le=60)] = 5.0,
        refresh: Annotated[float, Query(ge=0.1, le=60)] = 0.5,
        running: Annotated[bool, Query()] = False,
        model: Annotated[str | None, Query()] = None,
    ) -> None:
        await socket.accept()
        app.state.open_streams += 1
        try:
            reason = _refusal(socket, service, app.state.open_streams)
            if reason:
                raise RefusedError(*reason)
            refuse_unknown(socket.query_params, socket.scope["route"])
            service.metrics.count("seqcap_streams_total")
            live = service.recognizers[service.model_name(model)].stream(
                rate,
                channel_count=channels,
                horizon_s=None if running else horizon,
                refresh_s=refresh,
            )
            await _answer(socket, service, live, SAMPLE_TYPES[samples])
            await socket.close()
        except WebSocketDisconnect:
            pass
        except (SeqcapError, RefusedError) as error:
            await socket.send_json({"error": str(error)})
            later = getattr(error, "status", 422) in (429, 503)
            await socket.close(_TRY_LATER if later else _POLICY, str(error)[:_LONGEST_REASON])
        finally:
            app.state.open_streams -= 1


def _refusal(socket: WebSocket, service: "Service", open_count: int) -> tuple[int, str] | None:
    """Why a stream is not begun: status and reason."""
    if not service.is_allowed(socket.headers.get("authorization")):
        return 401, "a token is needed: Authorization: Bearer TOKEN"
    # Browsers let any page open a WebSocket; only our own page and those allowed may.
    origin = socket.headers.get("origin")
    allowed = service.settings.origins
    if origin and urlsplit(origin).netloc != socket.headers.get("host") and origin not in allowed:
        return 403, f"pages of {origin} are not allowed"
    if open_count > service.settings.stream_count:
        return 429, f"{service.settings.stream_count} streams are open already; try again later"
    return None


async def _answer(socket: WebSocket, service: "Service", live: Stream, sample_type: str) -> None:
    greatest = service.settings.greatest_bytes
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        block = message.get("bytes")
        if block is None:
            if message.get("text") != "end":
                raise RefusedError(422, 'a text that is not "end"; samples come as binary messages')
            found = await service.recognize(Job(work=live.finish))
        else:
            size = np.dtype(sample_type).itemsize * live.channel_count
            if len(block) % size or len(block) > greatest:
                raise RefusedError(
                    422, f"{len(block)} bytes; whole frames of {size}, at most {greatest} bytes"
                )
            frames = np.frombuffer(block, sample_type).reshape(-1, live.channel_count)
            found = await service.recognize(Job(work=_pushing(live, frames)))
        for each in found:
            await socket.send_json(event_row(each))
        if block is None:
            return


def _pushing(live: Stream, frames: Any) -> Any:
    return lambda: live.push(frames)
