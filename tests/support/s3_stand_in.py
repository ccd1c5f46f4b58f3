"""As much of S3 as reading and writing whole objects needs, on localhost and in memory."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Objects = dict[str, bytes]  # by "bucket/key"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: Objects

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        sent = {"Content-Length": str(len(content)), "ETag": '"0"'}
        sent |= {"Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")

    def do_HEAD(self) -> None:
        if "/" not in self._key:
            self._answer(200)
        elif self._key in self.objects:
            length = str(len(self.objects[self._key]))
            self._answer(200, Content_Length=length)
        else:
            self._answer(404)

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        if "list-type" in asked:
            self._list(asked.get("prefix", [""])[0], asked.get("delimiter", [""])[0])
        elif self._key not in self.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
        else:
            content = self.objects[self._key]
            part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if part is None:
                self._answer(200, content)
            else:
                first, last = int(part[1]), int(part[2] or len(content) - 1)
                last = min(last, len(content) - 1)
                where = f"bytes {first}-{last}/{len(content)}"
                self._answer(206, content[first : last + 1], Content_Range=where)

    def _list(self, prefix: str, delimiter: str) -> None:
        bucket = self._key
        contents, folders = [], set()
        for name, content in sorted(self.objects.items()):
            in_bucket, _, key = name.partition("/")
            if in_bucket != bucket or not key.startswith(prefix):
                continue
            inside, slash, _ = key[len(prefix) :].partition("/")
            if delimiter and slash:
                folders.add(prefix + inside + "/")
            else:
                contents.append(
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size>"
                    "<LastModified>2025-01-01T00:00:00.000Z</LastModified></Contents>"
                )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>"
            for one in sorted(folders)
        )
        self._answer(
            200,
            "<?xml version='1.0'?><ListBucketResult>"
            f"<Name>{bucket}</Name><IsTruncated>false</IsTruncated>"
            f"<KeyCount>{len(contents) + len(folders)}</KeyCount>{''.join(contents)}{common}"
            "</ListBucketResult>".encode(),
            Content_Type="application/xml",
        )

    def do_PUT(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            content = _unchunked(content)
        if "/" in self._key and "uploadId" not in self.path:
            self.objects[self._key + "/" * self.path.endswith("/")] = content
        elif "uploadId" in self.path:
            self.objects[self._key] = self.objects.get(self._key, b"") + content
        self._answer(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in urlsplit(self.path).query:
            self.objects.pop(self._key, None)
            name = "InitiateMultipartUploadResult"
            text = f"<{name}><UploadId>1</UploadId></{name}>"
        else:
            text = "<CompleteMultipartUploadResult><ETag>0</ETag></CompleteMultipartUploadResult>"
        self._answer(200, text.encode(), Content_Type="application/xml")

    def do_DELETE(self) -> None:
        self.objects.pop(self._key, None)
        self.objects.pop(self._key + "/", None)
        self._answer(204)


def _unchunked(content: bytes) -> bytes:
    result = b""
    while content:
        line, _, content = content.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if not size:
            break
        result += content[:size]
        content = content[size + 2 :]
    return result


@contextmanager
def s3_server() -> Iterator[tuple[str, Objects]]:
    """Serves; gives the endpoint and what the buckets hold."""
    objects: Objects = {}
    handler = type("Handler", (_Handler,), {"objects": objects})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", objects
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
