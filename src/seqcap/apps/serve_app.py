"""The service as an ASGI application: REST, live sound, health, metrics, the page.

Nothing of a recording is stored or logged.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from seqcap import __version__
from seqcap.apps.serve_batches import Answer, Failure, Job, QueueFullError, Workers
from seqcap.apps.serve_metrics import Metrics
from seqcap.apps.serve_stream import add_stream
from seqcap.apps.serve_upload import RefusedError, read_upload, refuse_unknown
from seqcap.apps.writers import as_row
from seqcap.audio.channels import MIX
from seqcap.audio.source import printable
from seqcap.audio.waveform import duration_s
from seqcap.errors import AudioError
from seqcap.recognition.answers import NO_SPEECH
from seqcap.recognition.recognizer import Recognizer
from seqcap.recognition.recordings import Segment


@dataclass(frozen=True)
class ServiceSettings:
    """What the service allows.

    Attributes:
        thread_count: Recognition threads.
        greatest_bytes: Of a request's body.
        longest_s: Of a recording, seconds.
        time_limit_s: A request that is not answered in time gets 503.
        queue_length: How many requests may wait; the next gets 429.
        stream_count: How many live streams may be open.
        token: What `Authorization: Bearer` must hold; empty: no token is needed.
        origins: Origins of other web pages that are allowed (CORS); none by default.
    """

    thread_count: int = 1
    greatest_bytes: int = 50_000_000
    longest_s: float = 600.0
    time_limit_s: float = 60.0
    queue_length: int = 64
    stream_count: int = 16
    token: str = ""
    origins: tuple[str, ...] = ()


class AnswerFormat(StrEnum):
    """How an answer is written."""

    JSON = "json"
    HUGGINGFACE = "huggingface"


@dataclass(frozen=True)
class Service:
    """What every route needs.

    Attributes:
        recognizers: By name; the first is the default.
        settings: What is allowed.
        metrics: What was counted.
        workers: Who recognises.
        aliases: Other names of models, as the command line had them.
    """

    recognizers: Mapping[str, Recognizer]
    settings: ServiceSettings
    metrics: Metrics
    workers: Workers
    aliases: Mapping[str, str]

    def model_name(self, wanted: str | None) -> str:
        """The requested model, or the default.

        Raises:
            RefusedError: 422, there is none of that name.
        """
        name = wanted or next(iter(self.recognizers))
        name = self.aliases.get(name, name)
        if name not in self.recognizers:
            raise RefusedError(
                422,
                f"model '{printable(name)}' is unknown; one of {', '.join(self.recognizers)} is "
                "expected",
            )
        return name

    def is_allowed(self, authorization: str | None) -> bool:
        """Whether a header `Authorization` holds the token."""
        expected = f"Bearer {self.settings.token}"
        return not self.settings.token or hmac.compare_digest(
            (authorization or "").encode(), expected.encode()
        )

    async def recognize(self, job: Job) -> Any:
        """Lets a recognition thread do a job.

        Raises:
            RefusedError: 429 too many wait, 503 out of time.
        """
        try:
            future = self.workers.submit(job)
        except QueueFullError:
            raise RefusedError(
                429, f"{self.settings.queue_length} requests wait already; try again in a second"
            ) from None
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.settings.time_limit_s)
        except (TimeoutError, CancelledError):
            raise RefusedError(
                503, f"not done after {self.settings.time_limit_s:g} s; send less, or later"
            ) from None


def make_app(
    recognizers: Mapping[str, Recognizer],
    settings: ServiceSettings | None = None,
    page: Path | None = None,
    aliases: Mapping[str, str] | None = None,
) -> FastAPI:
    """Makes the service.

    Args:
        recognizers: Models by name; the first is the default.
        settings: What is allowed.
        page: Folder of the page, served at ``/``.
        aliases: Other names of models that clients may use.
    """
    settings = settings or ServiceSettings()
    metrics = Metrics()
    workers = Workers(recognizers, settings.thread_count, settings.queue_length, metrics)
    service = Service(recognizers, settings, metrics, workers, aliases or {})

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(workers.close)  # what was begun is finished

    app = FastAPI(
        title="seqcap",
        version=__version__,
        description="Speech emotion recognition. Nothing of a recording is stored or logged.",
        lifespan=lifespan,
        docs_url=None,  # they would fetch scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_headers=["authorization"]
        )
    _add_errors(app)
    _add_counting(app, service)
    _add_recognition(app, service)
    _add_status(app, service)
    add_stream(app, service)
    if page is not None:
        app.mount("/", StaticFiles(directory=page, html=True))
    return app


def _add_errors(app: FastAPI) -> None:
    """Every error is `{"error": reason}` with its status."""

    @app.exception_handler(RefusedError)
    def refused(request: Request, error: RefusedError) -> JSONResponse:
        headers = {"Retry-After": "1"} if error.status in (429, 503) else {}
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if error.status == 405:
            headers["Allow"] = "POST"
        return JSONResponse({"error": error.reason}, error.status, headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        reasons = [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()]
        return JSONResponse({"error": "; ".join(reasons)}, 422)

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


def _add_counting(app: FastAPI, service: Service) -> None:
    known = {"/v1/recognize", "/v1/models", "/healthz", "/metrics"}

    @app.middleware("http")
    async def count(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        start_s = time.monotonic()
        response = await answer(request)
        path = request.url.path if request.url.path in known else "other"
        service.metrics.count(
            "seqcap_requests_total", {"path": path, "status": str(response.status_code)}
        )
        if path == "/v1/recognize":
            service.metrics.observe_s(time.monotonic() - start_s)
        return response


_ERROR = {
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"error": {"type": "string"}},
                "required": ["error"],
            }
        }
    }
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The token is missing or wrong.", **_ERROR},
    413: {"description": "The body is too large.", **_ERROR},
    422: {"description": "Not a recording, too long, or a wrong parameter.", **_ERROR},
    429: {"description": "Too many requests wait.", **_ERROR},
    503: {"description": "Not done in time.", **_ERROR},
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": _BINARY,
            "audio/*": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}


def _authorised(service: Service) -> Any:
    def check(request: Request) -> None:
        if not service.is_allowed(request.headers.get("authorization")):
            raise RefusedError(401, "a token is needed: Authorization: Bearer TOKEN")

    return Depends(check)


def _known_parameters(request: Request) -> None:
    refuse_unknown(request.query_params, request.scope["route"])


def _add_recognition(app: FastAPI, service: Service) -> None:
    settings = service.settings

    @app.post(
        "/v1/recognize",
        responses=_ERRORS,
        openapi_extra=_BODY,
        dependencies=[_authorised(service), Depends(_known_parameters)],
    )
    async def recognize(
        request: Request,
        timeline: Annotated[bool, Query(description="Also answer for every 2 s.")] = False,
        model: Annotated[str | None, Query(description="One of /v1/models.")] = None,
        name: Annotated[
            str | None, Query(max_length=1000, description="What the answer calls the recording.")
        ] = None,
        channel: Annotated[
            str, Query(description="mix, left, right, or a number from 1 on.")
        ] = MIX,
        answer_format: Annotated[
            AnswerFormat, Query(alias="format", description="huggingface: label and score.")
        ] = AnswerFormat.JSON,
    ) -> list[dict[str, Any]]:
        """Recognise a recording, as the body or as the field "file" of a form."""
        model = service.model_name(model)
        upload = await read_upload(request, settings.greatest_bytes, name)
        try:
            length_s = await asyncio.to_thread(duration_s, upload)
            if length_s > settings.longest_s:
                raise RefusedError(
                    422,
                    f"{upload.name}: {length_s:.1f} s; at most {settings.longest_s:g} s is allowed",
                )
            answer = await service.recognize(Job(model, timeline, Segment(upload, channel=channel)))
        except AudioError as error:
            raise RefusedError(422, str(error)) from error
        if isinstance(answer, Failure):
            raise RefusedError(422, answer.reason)
        service.metrics.count("seqcap_audio_seconds_total", amount=answer.end - answer.start)
        return _as_json(answer, answer_format)

    @app.api_route(
        "/v1/recognize", methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    def not_sent() -> None:
        raise RefusedError(405, "send a recording by POST, as the body or as a form's 'file'")


def _as_json(answer: Answer, answer_format: AnswerFormat) -> list[dict[str, Any]]:
    if answer_format is AnswerFormat.HUGGINGFACE:
        if answer.predicted == NO_SPEECH:
            return []
        ranked = sorted(answer.probabilities.items(), key=lambda each: -each[1])
        return [{"label": emotion, "score": round(p, 6)} for emotion, p in ranked]
    row = as_row(answer)
    if answer.timeline:
        row["timeline"] = [as_row(piece) for piece in answer.timeline]
    return [row]


def _add_status(app: FastAPI, service: Service) -> None:
    @app.get("/v1/models", dependencies=[_authorised(service)], responses={401: _ERRORS[401]})
    def models() -> list[dict[str, Any]]:
        """The available models; the first is the default."""
        return [
            {"id": name, "emotions": list(recognizer.emotions)}
            for name, recognizer in service.recognizers.items()
        ]

    @app.get("/healthz")
    def health() -> dict[str, str]:
        """Whether the service is up."""
        return {"status": "ok", "version": __version__}

    @app.get(
        "/metrics",
        response_class=PlainTextResponse,
        dependencies=[_authorised(service)],
        responses={401: _ERRORS[401]},
    )
    def metrics() -> str:
        """What was counted, for Prometheus."""
        gauges = {
            "seqcap_queue_length": service.workers.waiting_count,
            "seqcap_streams": app.state.open_streams,
        }
        return service.metrics.text(gauges)
