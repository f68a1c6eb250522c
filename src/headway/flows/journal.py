"""The journal: how a flow acts and remembers. The only file that knows the durable engine (DBOS).

A flow is a plain function `(journal, world, order)`. Its body only interprets results: it never
reads a clock, a port or a judge itself, because the body runs again on replay while the results
of its steps come from the journal. `commit` writes state and its checkpoint in one transaction:
exactly once. `act` touches the world: at least once, so everything it calls is idempotent and
fenced by a generation. `wait` ends early when somebody writes.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, get_type_hints

import msgspec
import sqlalchemy as sa
from dbos import (
    DBOS,
    DBOSClient,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    Queue,
    SQLAlchemyDatasource,
)
from dbos._core import WorkflowHandleFuture, execute_dequeued_workflow
from dbos._dbos import _get_dbos_instance
from dbos._sys_db import SystemDatabase
from dbos._utils import (
    GlobalParams,
    generate_uuid,
    retriable_postgres_exception,
    retriable_sqlite_exception,
)

from headway import typed
from headway.flows.mail import Mail
from headway.model import errors
from headway.model.errors import HeadwayError, Invalid, Problem, Unreachable
from headway.store.database import Tx, lock, patient

P = ParamSpec("P")
R = TypeVar("R")

QUEUE = "deliveries"
TOPIC = "wake"
FLOW_VERSION = "wf-1"
TRIES = 5
MOST_PAUSE_SECONDS = 5.0
OPEN = ["PENDING", "ENQUEUED", "DELAYED"]
LOG = logging.getLogger("headway")
_SQLITE = "sqlite:///"


class Journal(Protocol):
    """What a flow may do. Every call is one point of the journal, in the order of the body."""

    def commit(
        self, name: str, fn: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run `fn` in one transaction with its checkpoint. A HeadwayError rolls back and is
        raised again on every replay.
        """
        ...

    def act(self, name: str, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn`, which touches the world and is safe to run again. Unreachable is retried."""
        ...

    def wait(self, seconds: float) -> None:
        """Until a message arrives, at most `seconds`. The deadline survives a restart."""
        ...


Flow = Callable[[Journal, Any, Any], None]


class DurableJournal:
    """The journal of one running flow, on the engine."""

    def __init__(self, source: SQLAlchemyDatasource, now: Callable[[], float] = time.time) -> None:
        self._source = source
        self._now = now
        postgres = source.engine.dialect.name == "postgresql"
        self._isolation: Any = "READ COMMITTED" if postgres else "SERIALIZABLE"

    def commit(
        self, name: str, fn: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """See Journal."""

        def body() -> object:
            connection = self._source.sql_session().connection()
            lock(connection)
            tx = Tx(connection, self._now())
            return capture(in_savepoint, tx, lambda: fn(tx, *args, **kwargs))

        options: Any = {"name": name, "isolation_level": self._isolation}
        return reveal(self._source.run_tx_step(options, body), fn)

    def act(self, name: str, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See Journal."""

        def body() -> object:
            return capture(persist, lambda: fn(*args, **kwargs))

        return reveal(DBOS.run_step({"name": name}, body), fn)

    def wait(self, seconds: float) -> None:
        """See Journal."""
        DBOS.recv(TOPIC, timeout_seconds=max(0.0, seconds))


def in_savepoint(tx: Tx, fn: Callable[[], R]) -> R:
    """Run `fn` so that an error undoes its writes but not the checkpoint that records the error."""
    with tx.connection.begin_nested():
        return fn()


def persist(fn: Callable[[], R], sleep: Callable[[float], None] = time.sleep) -> R:
    """Try again, with doubling pauses from 0.2 s, while something is unreachable: TRIES times; but
    while the home's own database is, without end, as the engine itself does.
    """
    left, pause = TRIES, 0.2
    while True:
        try:
            return fn()
        except Unreachable:
            left -= 1
            if not left:
                raise
        except sa.exc.SQLAlchemyError as error:
            if not _passes(error):
                raise
            LOG.warning("the database does not answer: %s", error)
        sleep(pause)
        pause = min(pause * 2, MOST_PAUSE_SECONDS)


def _passes(error: sa.exc.SQLAlchemyError) -> bool:
    """Whether the same may succeed when the database is back, as the engine judges it."""
    known = retriable_postgres_exception(error) or retriable_sqlite_exception(error)
    return known or isinstance(error, sa.exc.TimeoutError)


def capture(fn: Callable[..., object], *args: object) -> object:
    """The result as plain JSON, or a HeadwayError as plain JSON: both are facts of the journal.

    Any other error is a bug: it is logged and becomes a HeadwayError, so that the flow ends in
    order (rolls back, frees its place). Errors of the database go to the engine, which retries.
    """
    try:
        return {"ok": msgspec.to_builtins(fn(*args))}
    except sa.exc.SQLAlchemyError:
        raise
    except Exception as bug:  # noqa: BLE001 whatever it is, the journey must end in order
        error = bug if isinstance(bug, HeadwayError) else _bug(bug)
        problems = [msgspec.to_builtins(p) for p in getattr(error, "problems", ())]
        return {
            "error": type(error).__name__,
            "what": error.what,
            "why": error.why,
            "next": error.next,
            "code": error.code,
            "problems": problems,
        }


def _bug(bug: Exception) -> HeadwayError:
    LOG.error("a bug in Headway", exc_info=bug)
    what = f"a bug in Headway: {type(bug).__name__}"
    return HeadwayError(
        what, why=str(bug)[:500], next="see log/headway.log in the home", code="bug"
    )


def reveal(recorded: object, fn: Callable[..., R]) -> R:
    """The other way: the value in the type that `fn` declares, or the error raised again."""
    assert isinstance(recorded, dict)
    if "error" in recorded:
        raise _error(recorded)
    value: R = typed.convert(recorded["ok"], get_type_hints(fn)["return"])
    return value


def _error(recorded: Mapping[str, Any]) -> HeadwayError:
    kind: type[HeadwayError] = getattr(errors, recorded["error"])
    said: Any = {k: recorded[k] for k in ("why", "next", "code")}
    if kind is Invalid:
        problems = tuple(typed.convert(p, Problem) for p in recorded["problems"])
        return Invalid(recorded["what"], problems=problems, **said)
    return kind(recorded["what"], **said)


class Outbox:
    """Starts and wakes flows from any process, inside the caller's own transaction."""

    def __init__(self, url: str) -> None:
        self._client = DBOSClient(
            system_database_url=patient(url),
            serializer=DBOSPortableJSONSerializer(),
            lazy=True,
        )

    def start(self, tx: Tx, flow: str, id: str, order: object, queue: str = QUEUE) -> None:
        """Start the flow under this id once the transaction commits; the same id again: nothing."""
        self._client.enqueue_in_transaction(
            tx.connection,
            {
                "workflow_name": flow,
                "queue_name": queue,
                "workflow_id": id,
                "app_version": FLOW_VERSION,
            },
            msgspec.to_builtins(order),
        )

    def wake(self, tx: Tx, id: str) -> None:
        """End the flow's wait once the transaction commits; the message waits if nobody listens."""
        self._client.send_in_transaction(tx.connection, id, "", topic=TOPIC)

    def open_flows(self) -> list[str]:
        """Ids of the flows that have begun or wait, and have not ended. The engine's tables must be
        there (`prepare`).
        """
        found = self._client.list_workflows(status=OPEN, load_input=False, load_output=False)
        return sorted(one.workflow_id for one in found)

    def drop(self, ids: list[str]) -> None:
        """These flows never go on; what they have done stays. Safe to repeat."""
        if ids:
            self._client.cancel_workflows(ids)

    def close(self) -> None:
        """Give the connections back."""
        self._client.destroy()


def prepare(url: str) -> None:
    """Make the engine's tables, or bring them up to date; a running engine does so itself."""
    serializer = DBOSPortableJSONSerializer()
    url = patient(url)
    system = SystemDatabase.create(
        system_database_url=url,
        engine_kwargs={},
        engine=None,
        schema="dbos",
        serializer=serializer,
        executor_id=None,
    )
    try:
        system.run_migrations()
    finally:
        system.destroy()
    SQLAlchemyDatasource.create(url, serializer=serializer).engine.dispose()


class Engine:
    """The durable engine of this process. One at a time: the engine keeps process-wide state."""

    def __init__(
        self,
        url: str,
        executor: str,
        journal: Callable[[SQLAlchemyDatasource], Journal] = DurableJournal,
    ) -> None:
        self._url = patient(url)
        self._executor = executor
        self._journal = journal
        self._mail: Mail | None = None

    def launch(self, flows: Mapping[str, tuple[Flow, Any, type]]) -> None:
        """Register the flows (name -> function, world, order type) and go on with what was open."""
        serializer = DBOSPortableJSONSerializer()
        config: DBOSConfig = {
            "name": "headway",
            "system_database_url": self._url,
            "application_version": FLOW_VERSION,
            "executor_id": self._executor,
            "serializer": serializer,
            "notification_listener_polling_interval_sec": 0.1,
            "log_level": "ERROR",
            "enable_otlp": False,
        }
        DBOS(config=config)
        DBOS.listen_queues([QUEUE])
        source = SQLAlchemyDatasource.create(self._url, serializer=serializer)
        journal = self._journal(source)
        for name, (flow, world, kind) in flows.items():
            DBOS.workflow(name=name, max_recovery_attempts=None)(
                _workflow(flow, journal, world, kind)
            )
        DBOS.launch()
        self._ask_once()
        DBOS.register_queue(QUEUE, polling_interval_sec=0.2, on_conflict="always_update")

    def _ask_once(self) -> None:
        """Where the engine asks for mail, it does so only for flows that have some."""
        if self._url.startswith(_SQLITE):
            mail = self._mail = Mail(Path(self._url.removeprefix(_SQLITE)))
            waiting = _get_dbos_instance()._sys_db.notifications_map
            everybody = waiting.snapshot
            waiting.snapshot = lambda: mail.of(everybody)  # type: ignore[method-assign]

    def lane(self, queue: str, most: int, ended: Callable[[], None]) -> "Lane":
        """Flows of another queue, begun here by `Lane.take`; after `launch`."""
        return Lane(DBOS.register_queue(queue, on_conflict="always_update"), most, ended)

    def recover(self, executors: list[str]) -> None:
        """Take over the open flows of executors that are dead. Safe to repeat."""
        DBOS._recover_pending_workflows(executors)

    def close(self) -> None:
        """Stop here; what is open goes on at the next launch."""
        try:
            DBOS.destroy(destroy_registry=True)
        except Exception as error:
            LOG.warning("the engine did not stop in order", exc_info=error)
        if self._mail:
            self._mail.close()


class Lane:
    """A queue that this process takes from as soon as it is told to, because asking the database
    again and again would cost each flow the time between two questions.

    At most `most` of its flows at once in this process; the others wait as rows. `ended` is called
    when one is over, from its thread.
    """

    def __init__(self, queue: Queue, most: int, ended: Callable[[], None]) -> None:
        self._queue, self._most, self._ended = queue, most, ended
        self._lock = threading.Lock()
        self._claimed: dict[str, str] = {}
        self._running: set[str] = set()

    def take(self) -> None:
        """Begin what waits, oldest first, while there is room. Raises SQLAlchemyError: what was
        claimed by then is begun at the next call.
        """
        with self._lock:
            room = self._most - len(self._running) - len(self._claimed)
            if room > 0:
                self._claim(room)
            for id in list(self._claimed):
                self._begin(id)

    def _claim(self, room: int) -> None:
        self._queue._worker_concurrency = room
        owner = generate_uuid()
        found, _ = _get_dbos_instance()._sys_db.start_queued_workflows(
            self._queue, GlobalParams.executor_id, FLOW_VERSION, None, 0, owner_xid=owner
        )
        self._claimed |= dict.fromkeys(found, owner)

    def _begin(self, id: str) -> None:
        dbos = _get_dbos_instance()
        status = dbos._sys_db.get_workflow_status(id)
        if status is None:
            LOG.error("the flow %s was claimed and is not there", id)
            self._claimed.pop(id)
            return
        handle = execute_dequeued_workflow(dbos, status, self._claimed[id])
        self._claimed.pop(id)
        if isinstance(handle, WorkflowHandleFuture):
            self._running.add(id)
            handle.future.add_done_callback(lambda _: self._over(id))

    def _over(self, id: str) -> None:
        self._running.discard(id)
        self._ended()


def _workflow(flow: Flow, journal: Journal, world: Any, kind: type) -> Callable[..., None]:
    def run(order: Any) -> None:
        flow(journal, world, typed.convert(order, kind))

    return run


def executor_id() -> str:
    """A name no two living processes share, and the same after a restart on this machine."""
    return os.uname().nodename
