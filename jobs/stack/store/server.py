"""ClickHouse's HTTP protocol over the engine."""

from __future__ import annotations

import contextlib
import hmac
import itertools
import json
import platform
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from jobs.stack.store.compression import Encoder, choose_encoding, compress_blocks
from jobs.stack.store.engine import Engine, Outcome
from jobs.stack.store.faults import AUTHENTICATION_FAILED, BAD_ARGUMENTS, StoreFault, status_of
from jobs.stack.store.native import FIRST_REVISION, reframe
from jobs.stack.store.request import Request, body_pieces, read_form
from jobs.stack.store.statement import Statement, read_statement

__all__ = ["StoreServer"]

_CONTENT_TYPES = {
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "xml": "application/xml; charset=UTF-8",
    "html": "text/html; charset=UTF-8",
    "markdown": "text/markdown; charset=UTF-8",
    "native": "application/octet-stream",
    "rowbinary": "application/octet-stream",
    "rowbinarywithnamesandtypes": "application/octet-stream",
    "arrow": "application/vnd.apache.arrow.file",
    "arrowstream": "application/vnd.apache.arrow.stream",
    "parquet": "application/octet-stream",
}
_TEXT = "text/plain; charset=UTF-8"
_TSV = "text/tab-separated-values; charset=UTF-8"
_INLINE_VALUES_BYTES = 256 << 10
_KEEP_ALIVE_S = 3600


class StoreServer(ThreadingHTTPServer):
    """Serves one engine; a thread per connection."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], engine: Engine, user: str = "", password: str = "") -> None:
        self.engine = engine
        self.user = user
        self.password = password
        self.display_name = platform.node() or "localhost"
        self._active = 0
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """A request under way: a graceful stop waits for it."""
        with self._changed:
            self._active += 1
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no request is under way."""
        with self._changed:
            return self._changed.wait_for(lambda: self._active == 0, timeout_s)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no event; anything else is a fault of ours, for the log."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: StoreServer
    protocol_version = "HTTP/1.1"
    timeout = _KEEP_ALIVE_S
    rbufsize = 1 << 20
    wbufsize = 1 << 16

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        super().setup()

    def log_message(self, *args: object) -> None:
        """Quiet: a line per request would cost more than the request."""

    def do_GET(self) -> None:
        self._serve(is_get=True)

    def do_HEAD(self) -> None:
        self._serve(is_get=True)

    def do_POST(self) -> None:
        self._serve(is_get=False)

    def do_OPTIONS(self) -> None:
        self._reply(204, b"", _TEXT, {"Allow": "OPTIONS, HEAD, GET, POST"})

    def _serve(self, is_get: bool) -> None:
        request = Request.read(self.path, self.headers, is_get)
        body: Iterator[bytes] = iter(())
        with self.server.counted():
            try:
                # Made first, so that an early error still reads the body and the connection lives on.
                body = body_pieces(request, self.rfile)
                if request.path in ("/ping", "/replicas_status"):
                    self._reply(200, b"Ok.\n", "text/html; charset=UTF-8")
                    return
                self._authenticate(request)
                if request.path == "/" and is_get and not request.query:
                    self._reply(200, b"Ok.\n", "text/html; charset=UTF-8")
                elif request.path in ("/", "/query"):
                    self._execute(request, body)
                else:
                    self._reply(404, f"There is no handle {request.path}\n\nUse /ping, or send queries to /\n".encode(), _TEXT)
            except StoreFault as fault:
                with contextlib.suppress(StoreFault):
                    for _ in body:
                        pass
                self._fail(fault, request)

    def _authenticate(self, request: Request) -> None:
        if not self.server.user and not self.server.password:
            return
        user, password = request.credentials()
        expected_user = self.server.user or "default"
        if not (
            hmac.compare_digest(user.encode(), expected_user.encode())
            and hmac.compare_digest(password.encode(), self.server.password.encode())
        ):
            raise StoreFault.of(
                AUTHENTICATION_FAILED,
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name.",
            )

    def _execute(self, request: Request, body: Iterator[bytes]) -> None:
        started_s = time.perf_counter()
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):
            request = request.with_params(read_form(content_type, b"".join(body)))
            body = iter(())
        sql, body = _text_of(request, body)
        statement = read_statement(sql)
        if not statement.verb:
            raise StoreFault.of((62, "SYNTAX_ERROR"), "Empty query")
        context = request.context()
        if statement.data_at is not None:
            outcome = self._insert(sql, statement, body, request)
        else:
            text = sql + b"".join(body)
            outcome = self.server.engine.run(_utf8(text), statement, context, request.output_format)
        try:
            self._answer(request, statement, outcome, started_s)
        finally:
            outcome.close()

    def _insert(self, sql: bytes, statement: Statement, body: Iterator[bytes], request: Request) -> Outcome:
        context = request.context()
        inline = sql[statement.data_at :]
        engine = self.server.engine
        if statement.input_format == "Values" and len(inline) <= _INLINE_VALUES_BYTES:
            # Whole in hand: the SQL parser takes expressions and parameters, too.
            rest = next(body, b"")
            if not rest:
                return engine.run(_utf8(sql), Statement("INSERT"), context, "TabSeparated")
            body = itertools.chain((rest,), body)
        pieces = itertools.chain((inline,), body)
        if not statement.from_input:
            return engine.insert(statement, pieces, context)
        with tempfile.NamedTemporaryFile(prefix="anomasec-input-") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            return engine.run(_utf8(statement.with_input_file(file.name)), Statement("INSERT"), context, "TabSeparated")

    def _answer(self, request: Request, statement: Statement, outcome: Outcome, started_s: float) -> None:
        chosen = statement.output_format or request.output_format
        headers = {
            "X-ClickHouse-Format": chosen,
            "X-ClickHouse-Summary": json.dumps(
                {
                    "read_rows": str(outcome.read_rows),
                    "read_bytes": str(outcome.read_bytes),
                    "written_rows": str(outcome.written_rows),
                    "written_bytes": str(outcome.written_bytes),
                    "total_rows_to_read": str(outcome.read_rows),
                    "result_rows": str(outcome.result_rows or outcome.written_rows),
                    "result_bytes": str(len(outcome.body) or outcome.written_bytes),
                    "elapsed_ns": str(int((time.perf_counter() - started_s) * 1e9)),
                }
            ),
        }
        content_type = _CONTENT_TYPES.get(chosen.lower(), _TSV if chosen.lower().startswith(("tab", "tsv")) else _TEXT)
        pieces: Iterator[bytes] = itertools.chain((outcome.body,), outcome.more or ())
        if chosen == "Native" and request.protocol_revision >= FIRST_REVISION:
            pieces = (frame for piece in pieces for frame in reframe(piece))
        encoding = None
        if request.flag("compress"):
            pieces = compress_blocks(pieces)
        elif request.flag("enable_http_compression"):
            encoding = choose_encoding(self.headers.get("Accept-Encoding", ""))
        if encoding:
            headers["Content-Encoding"] = encoding
            pieces = _encoded(pieces, encoding)
        if outcome.more is None:
            self._reply(200, b"".join(pieces), content_type, self._common(request) | headers)
        else:
            self._reply_in_chunks(pieces, content_type, self._common(request) | headers)

    def _common(self, request: Request) -> dict[str, str]:
        return {
            "X-ClickHouse-Query-Id": request.query_id or str(uuid.uuid4()),
            "X-ClickHouse-Server-Display-Name": self.server.display_name,
            "X-ClickHouse-Timezone": self.server.engine.timezone,
        }

    def _fail(self, fault: StoreFault, request: Request) -> None:
        headers = self._common(request) | {"X-ClickHouse-Exception-Code": str(fault.code)}
        self._reply(status_of(fault.code), fault.body(self.server.engine.version), _TEXT, headers)

    def _reply(self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reply_in_chunks(self, pieces: Iterator[bytes], content_type: str, headers: dict[str, str]) -> None:
        tag = uuid.uuid4().hex[:16]
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("X-ClickHouse-Exception-Tag", tag)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for piece in pieces:
                if piece:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        except StoreFault as fault:
            # The status is long sent: the error goes into the body between two marks, and the body stays without its end.
            text = fault.body(self.server.engine.version).rstrip()
            mark = b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (tag.encode(), text, len(text) + 1, tag.encode())
            self.wfile.write(b"%x\r\n%b\r\n" % (len(mark), mark))
            self.close_connection = True

    def version_string(self) -> str:
        return "ClickHouse"


def _text_of(request: Request, body: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The SQL (of an INSERT: at least up to its data), and the rest of the body."""
    sql = request.query.encode()
    if sql.strip():
        if read_statement(sql).data_at is not None:
            return sql, body
        rest = b"".join(body)
        return (sql + b"\n" + rest if rest else sql), iter(())
    first = b""
    # A statement may be cut by the end of a piece: an INSERT shows its data within the first ones, others are read whole.
    for piece in body:
        first += piece
        if read_statement(first).data_at is not None:
            break
    return first, body


def _utf8(sql: bytes) -> str:
    try:
        return sql.decode()
    except UnicodeDecodeError:
        raise StoreFault.of(BAD_ARGUMENTS, "The query is not valid UTF-8") from None


def _encoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    encoder = Encoder(encoding)
    for piece in pieces:
        yield encoder.encode(piece)
    yield encoder.finish()
