"""The agent: the protocol's methods, and a prompt's way through a run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acp import (
    PROTOCOL_VERSION,
    InitializeResponse,
    LoadSessionResponse,
    NewSessionResponse,
    PromptResponse,
    RequestError,
    run_agent,
    text_block,
    tool_content,
    update_agent_message_text,
    update_user_message_text,
)
from acp.helpers import update_available_commands
from acp.interfaces import Client
from acp.schema import (
    AgentCapabilities,
    ClientCapabilities,
    Implementation,
    PermissionOption,
    PromptCapabilities,
)

from ml_coach import __version__
from ml_coach.acp_agent.client_files import ClientAccess, ClientFiles, ClientFolder
from ml_coach.acp_agent.permissions import Permissions, PermittedWorkspace
from ml_coach.acp_agent.prompts import Asked, available_commands, read_prompt, text_of
from ml_coach.acp_agent.session_orders import SessionOrders
from ml_coach.acp_agent.session_store import SessionStore, StoredSession, Turn
from ml_coach.acp_agent.session_view import SessionView, put_thought
from ml_coach.acp_agent.standard_pipes import streams_as_pipes
from ml_coach.acp_agent.updates import Updates
from ml_coach.app import App
from ml_coach.claims import Taken
from ml_coach.core.errors import ModelError, os_error_text
from ml_coach.core.events import Event, RunStarted
from ml_coach.core.types import RunReport
from ml_coach.core.wording import harmless, sentence
from ml_coach.folder_runs import run_workspace, settings_of
from ml_coach.run_order import RunOrder, next_order

_AFTER_ANSWER_SECONDS = 0.1
# Clients, by the name that they give, in which an option of a permission is "Accept" or "Reject",
# whatever its name is.
_SHOW_KINDS = frozenset({"CodeCompanion.nvim"})


@dataclass(slots=True, eq=False)
class _OpenSession:
    """A session that the client has open; `turn` is its active prompt."""

    stored: StoredSession
    updates: Updates
    access: ClientAccess
    always_write: bool = False
    turn: asyncio.Task[bool] | None = None


class CoachAgent:
    """Implements `acp.interfaces.Agent`, as far as its capabilities say."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._store = SessionStore(app.state)
        self._open: dict[str, _OpenSession] = {}
        self._capabilities = ClientCapabilities()
        self._shows_names = True
        self._client: Client | None = None

    def on_connect(self, conn: Client) -> None:
        """The client that is asked and told."""
        self._client = conn

    async def initialize(
        self,
        protocol_version: int,
        client_capabilities: ClientCapabilities | None = None,
        client_info: Implementation | None = None,
        **_: Any,
    ) -> InitializeResponse:
        """What both sides can do."""
        self._capabilities = client_capabilities or ClientCapabilities()
        self._shows_names = client_info is None or client_info.name not in _SHOW_KINDS
        return InitializeResponse(
            protocol_version=min(protocol_version, PROTOCOL_VERSION),
            agent_capabilities=AgentCapabilities(
                load_session=True, prompt_capabilities=PromptCapabilities(embedded_context=True)
            ),
            agent_info=Implementation(name="ml-coach", title="ML Coach", version=__version__),
            auth_methods=[],
        )

    async def new_session(self, cwd: str, **_: Any) -> NewSessionResponse:
        """A talk in the folder `cwd`."""
        folder = _folder(cwd)
        stored = await asyncio.to_thread(self._store.begin, folder)
        session = self._opened(stored)
        # A client may drop what it is told of a session before it knows the session's id.
        asyncio.get_running_loop().call_later(
            _AFTER_ANSWER_SECONDS,
            session.updates.put,
            update_available_commands(available_commands()),
        )
        return NewSessionResponse(session_id=stored.session_id)

    async def load_session(self, cwd: str, session_id: str, **_: Any) -> LoadSessionResponse:
        """Shows an earlier talk again, from the log of its runs; it goes on from there."""
        folder = _folder(cwd)
        stored = await asyncio.to_thread(self._store.load, session_id)
        if stored is None or stored.folder != folder:
            raise RequestError.resource_not_found(session_id)
        session = self._open.get(session_id) or self._opened(stored)
        for turn in stored.turns:
            self._show_again(session, turn)
        session.updates.put(update_available_commands(available_commands()))
        await session.updates.sent()
        return LoadSessionResponse()

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> PromptResponse:
        """Does what the prompt asks for, until it is done or cancelled."""
        session = self._session(session_id)
        if session.turn is not None:
            raise RequestError.invalid_request({"details": "A prompt of this session is active."})
        session.turn = asyncio.ensure_future(self._turn(session, prompt))
        try:
            was_stopped = await asyncio.shield(session.turn)
        except asyncio.CancelledError:
            session.turn.cancel()
            await asyncio.wait([session.turn])
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # The client has gone: the library would wait for ever to send an answer.
            was_stopped = True
        finally:
            session.turn = None
        await session.updates.sent()
        return PromptResponse(stop_reason="cancelled" if was_stopped else "end_turn")

    async def cancel(self, session_id: str, **_: Any) -> None:
        """Stops the session's run."""
        session = self._open.get(session_id)
        if session is not None and session.turn is not None:
            session.turn.cancel()

    async def aclose(self) -> None:
        """Ends all runs, and what they share."""
        turns = [session.turn for session in self._open.values() if session.turn is not None]
        for turn in turns:
            turn.cancel()
        if turns:
            await asyncio.wait(turns)
        for session in self._open.values():
            session.updates.close()
        await self._app.aclose()

    def _opened(self, stored: StoredSession) -> _OpenSession:
        assert self._client is not None  # It connected before it asked for anything.
        files = self._capabilities.fs
        access = ClientAccess(
            self._client, stored.session_id,
            reads=bool(files and files.read_text_file),
            writes=bool(files and files.write_text_file),
        )  # fmt: skip
        session = _OpenSession(stored, Updates(self._client, stored.session_id), access)
        self._open[stored.session_id] = session
        return session

    def _session(self, session_id: str) -> _OpenSession:
        if session_id not in self._open:
            raise RequestError.resource_not_found(session_id)
        return self._open[session_id]

    def _show_again(self, session: _OpenSession, turn: Turn) -> None:
        put = session.updates.put
        put(update_user_message_text(turn.prompt))
        if turn.said:
            put(update_agent_message_text(turn.said))
        view = None
        try:
            for event in self._app.run_log.events(turn.run_id) if turn.run_id else ():
                if isinstance(event, RunStarted):
                    folder = Path(event.folder)
                    view = SessionView(
                        put, turn.run_id, event.request, folder, shows_files=True
                    )  # fmt: skip
                if view is not None:
                    view(event)
        except KeyError:
            put(update_agent_message_text(f"The log of run {turn.run_id} was removed."))

    async def _turn(self, session: _OpenSession, prompt: list[Any]) -> bool:
        """One prompt; whether its run was stopped. What went wrong is said to the user."""
        asked, text = read_prompt(prompt), text_of(prompt)
        try:
            ended = asked if isinstance(asked, str) else await self._run(session, asked, text)
        except asyncio.CancelledError:
            return True
        except ModelError as error:
            ended = str(error)
        except OSError as error:
            ended = os_error_text(error)
        if isinstance(ended, RunReport):
            return ended.outcome == "stopped"
        session.updates.put(update_agent_message_text(harmless(ended)))
        await asyncio.to_thread(self._store.note, session.stored, Turn(text, said=ended))
        return False

    async def _run(self, session: _OpenSession, asked: Asked, text: str) -> RunReport | str:
        """The report of the last run that the user's prompt asks for; a sentence where there is
        none."""
        stored, app = session.stored, self._app
        folder = ClientFolder(stored.folder, app.written_files, session.access)
        settings, problems = await asyncio.to_thread(settings_of, stored.folder, stored.folder)
        for problem in problems:
            session.updates.put(update_agent_message_text(f"{harmless(problem)}\n\n"))
        files = ClientFiles(folder, app)
        order = await SessionOrders(app, files, settings, stored.last_run).order(asked)
        if isinstance(order, str):
            return order

        def tell(event: Event) -> None:
            put_thought(session.updates.put, sentence(event))

        following = await app.divided(order, tell)
        while True:
            order = following
            report = await self._carry_out(session, order, text)
            if isinstance(report, str):
                return report
            following = await next_order(order, report)
            if not isinstance(following, RunOrder):
                return following or report
            text = following.request.prompt

    async def _carry_out(
        self, session: _OpenSession, order: RunOrder, text: str
    ) -> RunReport | str:
        """The report of one run; a sentence where it cannot begin."""
        stored, app = session.stored, self._app
        claim = app.claims.claim(order.run_id, [order.root / file for file in order.files])
        if isinstance(claim, Taken):
            return claim.sentence
        try:
            asks = Permissions(
                session.access.client, stored.session_id, session.updates, order.run_id,
                order.root, always=session.always_write, shows_names=self._shows_names,
            )  # fmt: skip
            await _ask_about_python(app, order, asks)
            workspace = run_workspace(
                app, order, ClientFolder(order.root, app.written_files, session.access)
            )
            for file in order.files if order.project is None else ():
                workspace.known[file] = await workspace.read(file)
            await asyncio.to_thread(self._store.note, stored, Turn(text, order.run_id))
            view = SessionView(session.updates.put, order.run_id, order.request, order.root)
            emit = claim.released_at_end(view)
            report = await app.run(order, PermittedWorkspace(workspace, asks), asks, emit)
            session.always_write = asks.always
            return report
        finally:
            claim.release()


async def _ask_about_python(app: App, order: RunOrder, asks: Permissions) -> None:
    """Asks once for each folder whether its own Python may be started."""
    python = await asyncio.to_thread(app.unconfirmed_python, order.settings, order.root)
    if not python:
        return
    question = f"May ML Coach start {python}, the Python of this folder, in the sandbox?"
    chosen, call_id = await asks.ask(
        question, [tool_content(text_block(question))],
        (
            PermissionOption(option_id="yes", name="Yes, for this folder", kind="allow_always"),
            PermissionOption(option_id="no", name="No", kind="reject_once"),
        ),
        "execute",
    )  # fmt: skip
    if chosen == "yes":
        app.confirm_python(order.root)
    asks.end(call_id, done=chosen == "yes")


def _folder(cwd: str) -> Path:
    """The session's folder. Raises `RequestError` for one that is not there."""
    folder = Path(cwd)
    if not folder.is_absolute() or not folder.is_dir():
        raise RequestError.invalid_params({"details": f"There is no folder {cwd}."})
    return folder.resolve()


async def serve_agent() -> None:
    """Serves one client until it closes standard input."""
    agent = CoachAgent(App())
    try:
        with streams_as_pipes():
            await run_agent(agent)  # type: ignore[arg-type]
    finally:
        await agent.aclose()
