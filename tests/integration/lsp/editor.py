"""An editor for tests: a real server process under a recorded client's capabilities, with buffers
that edits are applied to as that client does it. Its text handling shares no code with the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsprotocol import converters
from lsprotocol import types as lsp
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
    default_converter,
)
from pygls.uris import to_fs_path
from pytest_lsp import LanguageClient
from pytest_lsp.client import register_lsp_features

PROFILES = Path(__file__).parent / "clients"
SERVER = (str(Path(sys.executable).with_name("ml-coach")), "serve")
PATIENCE_SECONDS = 60.0


@dataclass
class Buffer:
    text: str
    version: int = 1


@dataclass
class Editor:
    """`answer` says what the user picks when asked. `mute` methods are never answered, `null` ones
    with null, `held` ones once `release` is set; `late` ones are only done once it is set."""

    client: LanguageClient
    root: Path
    profile: str
    environment: dict[str, str]
    buffers: dict[str, Buffer] = field(default_factory=dict)
    diagnostics: dict[str, list[lsp.Diagnostic]] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    edits: list[lsp.WorkspaceEdit] = field(default_factory=list)
    progress: dict[Any, list[Any]] = field(default_factory=dict)
    answer: Callable[[str], str | None] = lambda question: None
    mute: set[str] = field(default_factory=set)
    null: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    capabilities: lsp.ClientCapabilities | None = None
    experimental: dict[str, Any] | None = None
    encoding: str = "utf-16"
    result: lsp.InitializeResult | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    # Life

    async def start(self, options: dict[str, Any] | None = None, **more: Any) -> None:
        self._answer_requests()
        await self.client.start_io(*SERVER, env=self.environment)
        raw = json.loads((PROFILES / f"{self.profile}.json").read_text())["capabilities"]
        self.capabilities = converters.get_converter().structure(raw, lsp.ClientCapabilities)
        self.capabilities.experimental = self.experimental or self.capabilities.experimental
        folders = more.pop("folders", [self.root])
        self.result = await self.client.initialize_session(
            lsp.InitializeParams(
                capabilities=self.capabilities,
                root_uri=self.uri(""),
                workspace_folders=[lsp.WorkspaceFolder(f.as_uri(), f.name) for f in folders],
                initialization_options={"events": True, **(options or {})},
                **more,
            )
        )
        self.encoding = self.result.capabilities.position_encoding or "utf-16"

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self.client._server is not None
        return self.client._server

    async def quit(self) -> int:
        await self.client.shutdown_async(None)
        self.gone.set()
        self.client.exit(None)
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)

    async def until(self, holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        """Waits until `holds` returns a true value, checking after each message; returns it."""
        try:
            async with asyncio.timeout(seconds):
                while not (value := holds()):
                    self._changed.clear()
                    await self._changed.wait()
                return value
        except TimeoutError:
            raise AssertionError(
                f"waited in vain; events {self.kinds()}, messages {self.messages}, logs {self.logs}"
            ) from None

    # Asking the server

    async def command(self, name: str, **argument: Any) -> Any:
        params = lsp.ExecuteCommandParams(f"mlCoach.{name}", [argument] if argument else None)
        return await self.client.workspace_execute_command_async(params)

    async def generate(self, prompt: str, **more: Any) -> str:
        return (await self.command("generate", prompt=prompt, **more))["runId"]

    async def actions(
        self, file: str, line: int = 0, only: list[str] | None = None, to: tuple[int, int] = (0, 0)
    ) -> list[lsp.CodeAction]:
        start = lsp.Position(line, 0)
        end = lsp.Position(*to) if to != (0, 0) else start
        params = lsp.CodeActionParams(
            lsp.TextDocumentIdentifier(self.uri(file)),
            lsp.Range(start, end),
            lsp.CodeActionContext(self.diagnostics.get(self.uri(file), []), only=only),
        )
        # Untyped: lsprotocol takes every code action that has a command for a bare `Command`.
        protocol, request_id = self.client.protocol, str(uuid.uuid4())
        reply = protocol.send_request(lsp.TEXT_DOCUMENT_CODE_ACTION, params, msg_id=request_id)
        protocol._result_types[request_id] = None
        found = await asyncio.wrap_future(reply) or []
        return [converters.get_converter().structure(item, lsp.CodeAction) for item in found]

    async def choose(self, action: lsp.CodeAction) -> Any:
        """Does with a code action what this client does: resolve if it can, edit, command."""
        support = self.capabilities.text_document.code_action.resolve_support
        if support and "edit" in support.properties and action.edit is None and action.data:
            action = await self.client.code_action_resolve_async(action)
        if action.edit:
            assert self.apply(action.edit)
        if action.command:
            return await self.client.workspace_execute_command_async(
                lsp.ExecuteCommandParams(action.command.command, action.command.arguments)
            )
        return None

    async def action(self, file: str, title: str, line: int = 0) -> lsp.CodeAction:
        found = await self.actions(file, line)
        return next(a for a in found if a.title.startswith(title))

    async def findings(self, file: str) -> list[lsp.Diagnostic]:
        """The document's diagnostics, however this client gets them."""
        if self.result.capabilities.diagnostic_provider is None:
            return self.diagnostics.get(self.uri(file), [])
        report = await self.client.text_document_diagnostic_async(
            lsp.DocumentDiagnosticParams(lsp.TextDocumentIdentifier(self.uri(file)))
        )
        return list(report.items)

    # Buffers

    def uri(self, file: str) -> str:
        return (self.root / file).as_uri() if file else self.root.as_uri()

    def text(self, file: str) -> str | None:
        """What the user sees: the buffer, else the file."""
        if buffer := self.buffers.get(self.uri(file)):
            return buffer.text
        path = self.root / file
        return path.read_bytes().decode() if path.exists() else None

    def open(self, file: str, text: str | None = None) -> None:
        uri = self.uri(file)
        shown = (self.root / file).read_bytes().decode() if text is None else text
        self._open(uri, shown)

    def _open(self, uri: str, text: str) -> None:
        self.buffers[uri] = Buffer(text)
        item = lsp.TextDocumentItem(uri, "python", 1, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def close(self, file: str) -> None:
        self._close(self.uri(file))

    def _close(self, uri: str) -> None:
        if self.buffers.pop(uri, None):
            item = lsp.TextDocumentIdentifier(uri)
            self.client.text_document_did_close(lsp.DidCloseTextDocumentParams(item))

    def type(self, file: str, text: str) -> None:
        """The user changes the whole buffer."""
        self._set(self.uri(file), text)

    def _set(self, uri: str, text: str) -> None:
        buffer = self.buffers[uri]
        buffer.text, buffer.version = text, buffer.version + 1
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(buffer.version, uri),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    def apply(self, edit: lsp.WorkspaceEdit) -> bool:
        """Applies an edit as the protocol says; refuses one for an old version."""
        self.edits.append(edit)
        for uri, edits in (edit.changes or {}).items():
            self._edit(uri, edits)
        for change in edit.document_changes or []:
            match change:
                case lsp.CreateFile():
                    path = Path(to_fs_path(change.uri))
                    assert path.parent.is_dir(), f"{path.parent} is missing"
                    if self.profile != "emacs28-eglot-1.9":
                        path.touch()
                        self._open(change.uri, "")
                case lsp.DeleteFile():
                    Path(to_fs_path(change.uri)).unlink(missing_ok=True)
                    self._close(change.uri)
                case lsp.TextDocumentEdit():
                    document = change.text_document
                    buffer = self.buffers.get(document.uri)
                    if buffer and document.version not in (None, buffer.version):
                        return False
                    self._edit(document.uri, change.edits)
                case _:
                    raise AssertionError(change)
        return True

    def _edit(self, uri: str, edits: Any) -> None:
        if uri not in self.buffers:
            path = Path(to_fs_path(uri))
            self._open(uri, path.read_bytes().decode() if path.exists() else "")
        text = self.buffers[uri].text
        spans = sorted(
            ((self._offset(text, e.range.start), self._offset(text, e.range.end), e.new_text)
             for e in edits), reverse=True,
        )  # fmt: skip
        for start, end, new in spans:
            text = text[:start] + new + text[end:]
        self._set(uri, text)

    def _offset(self, text: str, position: lsp.Position) -> int:
        start = 0
        for _ in range(position.line):
            start = text.index("\n", start) + 1
        end = text.find("\n", start)
        line = text[start : len(text) if end < 0 else end]
        code = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[self.encoding]
        width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[self.encoding]
        return start + len(line.encode(code)[: position.character * width].decode(code))

    # Answering the server

    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events]

    def event(self, kind: str) -> dict[str, Any] | None:
        return next((event for event in self.events if event["event"] == kind), None)

    def finished(self) -> dict[str, Any] | None:
        event = self.event("RunFinished")
        return event and event["report"]

    def _answer_requests(self) -> None:
        client = self.client

        def on(method: str) -> Callable[[Callable[..., Any]], None]:
            def register(handler: Callable[..., Any]) -> None:
                async def answer(params: Any) -> Any:
                    if method in self.late:
                        await self.release.wait()
                    result = handler(params)
                    self._changed.set()
                    if method in self.mute:
                        await self.gone.wait()
                    if method in self.held:
                        await self.release.wait()
                    return None if method in self.null else result

                client.protocol.fm.features.pop(method, None)
                client.feature(method)(answer)

            return register

        def hear(method: str) -> Callable[[Callable[..., Any]], None]:
            def register(handler: Callable[..., Any]) -> None:
                def heard(params: Any) -> None:
                    handler(params)
                    self._changed.set()

                client.protocol.fm.features.pop(method, None)
                client.feature(method)(heard)

            return register

        on(lsp.WORKSPACE_APPLY_EDIT)(
            lambda p: lsp.ApplyWorkspaceEditResult(applied=self.apply(p.edit))
        )
        on(lsp.WINDOW_WORK_DONE_PROGRESS_CREATE)(lambda p: self.progress.setdefault(p.token, []))
        self.null.add(lsp.WINDOW_WORK_DONE_PROGRESS_CREATE)
        on(lsp.WINDOW_SHOW_DOCUMENT)(self._show)
        on(lsp.WINDOW_SHOW_MESSAGE_REQUEST)(self._ask)
        on(lsp.WORKSPACE_CONFIGURATION)(
            lambda p: [self.settings.get(item.scope_uri, {}) for item in p.items]
        )
        on(lsp.CLIENT_REGISTER_CAPABILITY)(lambda p: None)
        on(lsp.WORKSPACE_CODE_LENS_REFRESH)(lambda p: None)
        on(lsp.WORKSPACE_DIAGNOSTIC_REFRESH)(lambda p: None)
        hear(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(
            lambda p: self.diagnostics.__setitem__(p.uri, list(p.diagnostics))
        )
        hear(lsp.WINDOW_SHOW_MESSAGE)(lambda p: self.messages.append(p.message))
        hear(lsp.WINDOW_LOG_MESSAGE)(lambda p: self.logs.append(p.message))
        hear(lsp.PROGRESS)(lambda p: self.progress[p.token].append(p.value))
        hear("mlCoach/event")(lambda p: self.events.append(p["event"]))

    def _show(self, params: lsp.ShowDocumentParams) -> lsp.ShowDocumentResult:
        if params.uri not in self.buffers:
            self._open(params.uri, Path(to_fs_path(params.uri)).read_bytes().decode())
        return lsp.ShowDocumentResult(success=True)

    def _ask(self, params: lsp.ShowMessageRequestParams) -> lsp.MessageActionItem | None:
        self.questions.append(params.message)
        picked = self.answer(params.message)
        return lsp.MessageActionItem(picked) if picked else None


def _converter() -> Any:
    """As pygls's own, but untyped JSON stays what it is: named tuples lose keys like `a.py`."""
    converter = default_converter()
    for kind in (JsonRPCNotification, JsonRPCRequestMessage, JsonRPCResponseMessage):
        converter.register_structure_hook(kind, lambda message, cls: cls(**message))
    return converter


def _client() -> LanguageClient:
    client = LanguageClient(converter_factory=_converter)
    register_lsp_features(client)
    return client


def make_editor(root: Path, profile: str, state: Path, model: str) -> Editor:
    environment = {
        **os.environ,
        "ML_COACH_MODEL": model,
        "XDG_STATE_HOME": str(state),
    }
    return Editor(_client(), root, profile, environment)
