"""`python -m jobs.stack.store --path DIR --port N`: serve a store folder until SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from schemas.errors import AnomasecError, MissingPart

__all__ = ["main"]

_STOP_TIMEOUT_S = 60
_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs.stack.store", description="Serve a store folder over ClickHouse's HTTP protocol.")
    parser.add_argument("--path", type=Path, required=True, help="folder of the store; made if missing")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 = any free one, written to store.json")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--user", default="", help="user name to ask for; the password is read from ANOMASEC_STORE_PASSWORD")
    parser.add_argument("--memory-mb", type=int, default=0, help="memory limit of all queries (default: half of the machine, at most 8192)")
    parser.add_argument("--threads", type=int, default=2, help="threads of one query (default %(default)s)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is under way and close.

    Returns
    -------
    int
        Exit code: 0 after a stop, 3 where the folder is open elsewhere, 2 where the port is taken.
    """
    args = _parser().parse_args(arguments)
    try:
        return _serve(args)
    except AnomasecError as error:
        sys.stderr.write(f"anomasec: {error}\n")
        return error.exit_code


def _serve(args: argparse.Namespace) -> int:
    from jobs.stack.store.folder import StoreFolder

    folder = StoreFolder(args.path.absolute())
    # chDB takes a second to load: a taken port or folder is told before.
    from jobs.stack.store.engine import Engine
    from jobs.stack.store.server import StoreServer

    # Blocked before any thread starts and waited for: a handler would run only once the main thread happens to wake, as chDB's own
    # threads may receive the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    engine = Engine(folder.path, args.memory_mb << 20, args.threads)
    try:
        try:
            server = StoreServer((args.host, args.port), engine, args.user, os.environ.get("ANOMASEC_STORE_PASSWORD", ""))
        except OSError as error:
            raise MissingPart(
                f"cannot listen on {args.host}:{args.port}: {error.strerror}", "end what uses the port, or name another"
            ) from None
        threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
        folder.announce(server.url)
        sys.stderr.write(f"store {folder.path} at {server.url}\n")
        signal.sigwait(_STOP_SIGNALS)
        server.shutdown()
        server.socket.close()
        server.wait_idle(_STOP_TIMEOUT_S)
    finally:
        engine.close()
        folder.release()
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    code = main()
    sys.stderr.flush()
    # Idle keep-alive threads and chDB's own would be waited for otherwise; everything is closed by now.
    os._exit(code)
