"""Connections to chDB: one a statement, set up as the request asks, used again where nothing of it stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from jobs.stack.store.faults import StoreFault

__all__ = ["Connections", "Context", "quote"]

# A statement of these cannot change the connection it runs on, so the connection serves the next request.
_STATELESS = frozenset({"SELECT", "WITH", "INSERT", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "OPTIMIZE", "ALTER", "SYSTEM"})
_IDLE_CONNECTIONS = 8
_SESSION_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Context:
    """What a request sets besides its SQL."""

    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    readonly: bool = False
    session_id: str = ""


class _Session:
    """A connection kept for a session_id: SET, USE and temporary tables last from one request to the next."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.lock = threading.Lock()
        self.used_s = time.monotonic()
        self.history: list[str] = []


class Connections:
    """A pool, and the sessions. Opening a connection costs 0.4 ms, each setting-up statement as much.

    Parameters
    ----------
    connect
        Opens a chDB connection.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[tuple[tuple[Any, ...], Any]] = []
        self._sessions: dict[str, _Session] = {}

    def close(self) -> None:
        """Close all that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
            sessions, self._sessions = self._sessions, {}
        for _, connection in idle:
            connection.close()
        for session in sessions.values():
            session.connection.close()

    @contextmanager
    def lease(self, context: Context, verb: str, sql: str = "") -> Iterator[Any]:
        """A connection set up for a request, for the statement whose first word is `verb`.

        Raises
        ------
        StoreFault
            The database or a setting does not exist.
        """
        if context.session_id:
            session = self._session(context.session_id, verb, sql)
            if session is not None:
                with session.lock:
                    yield from self._in_session(session, context, verb, sql)
                return
        key = (context.database, tuple(sorted(context.settings.items())), context.readonly)
        connection = self._take(key)
        if connection is None:
            connection = self._connect()
            try:
                for prelude in _preludes(context):
                    connection.query(prelude)
            except Exception as error:
                connection.close()
                raise StoreFault.wrap(error) from None
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if verb in _STATELESS:
            self._give_back(key, connection)
        else:
            connection.close()

    def _take(self, key: tuple[Any, ...]) -> Any:
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][0] == key:
                    return self._idle.pop(index)[1]
        return None

    def _give_back(self, key: tuple[Any, ...], connection: Any) -> None:
        oldest = None
        with self._lock:
            self._idle.append((key, connection))
            if len(self._idle) > _IDLE_CONNECTIONS:
                oldest = self._idle.pop(0)[1]
        if oldest is not None:
            oldest.close()

    def _session(self, session_id: str, verb: str, sql: str) -> _Session | None:
        """The session's own connection; made when a first statement needs one, so that most sessions cost nothing."""
        needs_own = verb in ("SET", "USE") or (verb == "CREATE" and "TEMPORARY" in sql[:200].upper())
        now_s = time.monotonic()
        expired: list[_Session] = []
        with self._lock:
            for name in [n for n, s in self._sessions.items() if now_s - s.used_s > _SESSION_TIMEOUT_S and not s.lock.locked()]:
                expired.append(self._sessions.pop(name))
            if needs_own and session_id not in self._sessions:
                self._sessions[session_id] = _Session(self._connect())
            session = self._sessions.get(session_id)
            if session is not None:
                session.used_s = now_s
        for old in expired:
            old.connection.close()
        return session

    def _in_session(self, session: _Session, context: Context, verb: str, sql: str) -> Iterator[Any]:
        connection = session.connection
        try:
            for prelude in _preludes(replace(context, readonly=False)):
                connection.query(prelude)
            yield connection
            if verb in ("SET", "USE"):
                session.history.append(sql)
        except StoreFault:
            raise
        except Exception as error:
            raise StoreFault.wrap(error) from None
        finally:
            # Settings of the URL hold for one request only; those of the session come back.
            with suppress(Exception):
                if context.settings:
                    connection.query("SET " + ", ".join(f"{name} = DEFAULT" for name in context.settings))
                if context.database:
                    connection.query("USE default")
                if context.settings or context.database:
                    for earlier in session.history:
                        connection.query(earlier)


def _preludes(context: Context) -> list[str]:
    statements = [f"USE `{context.database.replace('`', '')}`"] if context.database else []
    if context.settings:
        statements.append("SET " + ", ".join(f"{name} = {quote(value)}" for name, value in context.settings.items()))
    if context.readonly:
        statements.append("SET readonly = 2")
    return statements


def quote(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
