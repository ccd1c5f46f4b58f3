"""As much of the Hugging Face hub as models need, on localhost and in memory."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

Repositories = dict[str, dict[str, bytes]]  # files by repository


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    repositories: Repositories
    asked: list[str]

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def _none(self) -> None:
        self._answer(404, b"{}", X_Error_Code="RepoNotFound", X_Error_Message="not found")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        name = "/".join(parts[2:4] if api else parts[:2])
        files = self.repositories.get(name)
        if files is None:
            self._none()
        elif api and "tree" in parts:
            self._json(
                [
                    {"type": "file", "oid": _oid(c), "size": len(c), "path": path}
                    for path, c in files.items()
                ]
            )
        elif api:
            siblings = [{"rfilename": file} for file in files]
            self._json({"id": name, "sha": _revision(files), "siblings": siblings})
        else:
            file = "/".join(parts[4:])
            self.asked.append(file)
            self._answer(
                200,
                files[file],
                ETag=f'"{_oid(files[file])}"',
                X_Repo_Commit=_revision(files),
            )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path).path.strip("/").split("/")
        here = f"http://{self.headers['Host']}"
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.repositories.setdefault(name, {})
            self._json({"url": f"{here}/{name}", "id": name})
        elif parts[1] == "validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif parts[4] == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._json({"files": files})
        else:
            name = "/".join(parts[2:4])
            files = self.repositories[name]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            oid = _revision(files)
            address = f"{here}/{name}/commit/{oid}"
            self._json({"success": True, "commitOid": oid, "commitUrl": address})


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _revision(files: dict[str, bytes]) -> str:
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


@contextmanager
def hub_server() -> Iterator[tuple[str, Repositories, list[str]]]:
    """Serves; gives the endpoint, what the repositories hold and which files were fetched."""
    repositories: Repositories = {}
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"repositories": repositories, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", repositories, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
