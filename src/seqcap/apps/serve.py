"""`seqcap serve`: recognition over HTTP, and the page."""

import ipaddress
import os
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcap.apps.extras import needs_extra
from seqcap.apps.lines import tell
from seqcap.apps.options import AbstainOption
from seqcap.apps.static_page import write_page
from seqcap.errors import SettingsError
from seqcap.recognition.model_folder import check_model_folder

if TYPE_CHECKING:  # the command imports what it needs when it runs
    from seqcap.recognition.recognizer import Recognizer

TOKEN_VARIABLE = "SEQCAP_TOKEN"  # the name of a variable, no token
_GRACE_S = 60  # that requests under way may take after SIGTERM
# Choice: longer than clients (httpx: 5 s) and proxies (two minutes) keep unused connections. Where
# both ends wait equally long, one closes while the other sends: a request without an answer.
_KEEP_ALIVE_S = 130

ModelOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help="Folder of a model, or '-' for the included one; repeat it to serve several, which "
        "clients choose by name.  [default: -]",
    ),
]
HostOption = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all networks.")
]
PortOption = Annotated[
    int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0: any free one.")
]
WorkersOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Recognition threads; 0: one for each core.")
]
GreatestMegabytesOption = Annotated[
    float, typer.Option("--max-mb", metavar="MB", min=0.001, help="Largest body of a request.")
]
LongestSOption = Annotated[
    float, typer.Option("--max-seconds", metavar="SECONDS", min=0.04, help="Longest recording.")
]
TimeLimitSOption = Annotated[
    float,
    typer.Option(
        "--time-limit", metavar="SECONDS", min=0.1, help="Longest time that a request may take."
    ),
]
QueueLengthOption = Annotated[
    int,
    typer.Option("--queue", min=1, metavar="N", help="Most requests that wait; others get 429."),
]
StreamCountOption = Annotated[
    int, typer.Option("--streams", min=0, metavar="N", help="Most live streams open at once.")
]
AllowOriginOption = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="Origin of a web page that may send requests (CORS)."),
]

PageOption = Annotated[bool, typer.Option("--page/--no-page", help="Serve the page at /.")]


def serve(
    model: ModelOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    workers: WorkersOption = 0,
    greatest_megabytes: GreatestMegabytesOption = 50.0,
    longest_s: LongestSOption = 600.0,
    time_limit_s: TimeLimitSOption = 60.0,
    queue_length: QueueLengthOption = 64,
    stream_count: StreamCountOption = 16,
    allow_origin: AllowOriginOption = None,
    abstain_below: AbstainOption = 0.0,
    page: PageOption = True,
) -> None:
    """Recognise emotions over HTTP.

    The service has POST /v1/recognize, GET /v1/models, /healthz, /metrics and /openapi.json, the
    WebSocket /v1/stream, and a page at /. If the environment variable SEQCAP_TOKEN is set, each
    request needs that token. Nothing of a recording is stored or logged.

    Examples:
    seqcap serve

    curl --data-binary @speech.wav http://127.0.0.1:8000/v1/recognize?timeline=true

    SEQCAP_TOKEN=secret seqcap serve --host 0.0.0.0 --model - --model runs/mine/model
    """
    folders = [check_model_folder(folder) for folder in model or ()] or [check_model_folder()]
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a thread a core recognises
    with needs_extra("serve"):
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn
        import websockets  # noqa: F401
    from seqcap.apps.serve_app import ServiceSettings, make_app

    recognizers = _load_models(folders, abstain_below)
    aliases = dict(zip(map(str, model or [Path("-")]), recognizers, strict=True))
    settings = ServiceSettings(
        thread_count=workers or _core_count(),
        greatest_bytes=round(greatest_megabytes * 1e6),
        longest_s=longest_s,
        time_limit_s=time_limit_s,
        queue_length=queue_length,
        stream_count=stream_count,
        token=os.environ.get(TOKEN_VARIABLE, ""),
        origins=tuple(allow_origin or ()),
    )
    with _page_of(folders[0] if page else None) as site:
        app = make_app(recognizers, settings, site, aliases)
        listener = _listen(host, port)
        tell(f"{', '.join(recognizers)} at {_address(listener)}; Ctrl-C ends")
        if not settings.token and not _is_local(listener):
            tell(f"{TOKEN_VARIABLE} is not set: everybody in the network can send requests")
        # Once it has stopped clean, uvicorn raises the signal that stopped it again.
        signal.signal(signal.SIGTERM, lambda *_: None)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
            ws_max_size=settings.greatest_bytes,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _load_models(folders: Sequence[Path], abstain_below: float) -> "dict[str, Recognizer]":
    """Loads the models, by name."""
    from seqcap.memory import keep_freed_memory
    from seqcap.recognition.recognizer import Recognizer

    keep_freed_memory()
    recognizers: dict[str, Recognizer] = {}
    for folder in folders:
        recognizer = Recognizer.from_pretrained(folder, abstain_below=abstain_below)
        name = recognizer.checkpoint.name
        if name in recognizers:
            raise SettingsError(f"{folder}: a second model named {name}; name them differently")
        recognizers[name] = recognizer
    return recognizers


def _listen(host: str, port: int) -> socket.socket:
    """Opens the port; 0 takes any free one.

    Raises:
        SettingsError: It cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"{host}, port {port}: cannot be used ({error.strerror}); give another --host or --port"
        ) from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_local(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


@contextmanager
def _page_of(model: Path | None) -> Iterator[Path | None]:
    """Writes the page of a model for as long as it is served; nothing without a model."""
    if model is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="seqcap-page-") as scratch:
        site = Path(scratch) / "page"
        write_page(site, model)
        yield site


def _core_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
