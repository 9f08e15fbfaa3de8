"""Shared state in kernels of any language, by Jupyter's messages: one thread for each kernel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from generator.runner.document.injection import Translator, find_translator
from generator.runner.execution.watching import oom_kills
from generator.runner.kernels.endings import CellTooLongError, KernelGoneError, NotReadyError, OutputLostError
from generator.runner.kernels.messages import ExecuteRequest, Message, ignore
from generator.runner.kernels.process import KernelProcess, new_connection
from generator.runner.kernels.runtime import make_private_folder, remove_private_folder
from generator.runner.kernels.session import Session
from generator.runner.kernels.traits import find_traits
from generator.runner.server.gateway.states.calls import (
    Answer,
    Call,
    CallLimits,
    CallTimeoutError,
    KernelEndedError,
    SeedError,
)
from generator.runner.server.gateway.states.sources import Place
from generator.runner.server.gateway.states.turns import Turns

_START_TIMEOUT = 120.0
_PATIENCE = 5.0
"""Seconds that a kernel has to shut down, or to answer after an interrupt."""
_SURROGATES = "surrogatepass"
"""Handler of errors of UTF-8: texts in JSON can have halves of surrogate pairs."""


class _CellFailedError(Exception):
    """A cell failed; the message is the Kernel Gateway's."""


class _TooLargeError(Exception):
    """A cell printed or returned more than a response may have."""


class _Kernel:
    """One kernel; all methods are called in the same thread."""

    def __init__(self, place: Place, translator: Translator) -> None:
        self._place, self._translator = place, translator
        self._session: Session | None = None
        self._folder = make_private_folder()

    def start(self) -> None:
        """Start the kernel and run the cells; without the state of all of them, no kernel is left that could answer.

        Raises:
            SeedError: the kernel does not start, or a cell failed.
        """
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _start(self) -> None:
        kernel = self._place.kernel
        try:
            connection = new_connection(kernel, self._folder)
            process = KernelProcess(
                kernel,
                connection=connection,
                runtime=self._folder,
                cwd=self._place.directory,
                log=None,
                ends_with_parent=True,  # this thread is the kernel's own, and ends after it
            )
            self._session = Session(process)
            traits = find_traits(self._session.wait_until_ready(_START_TIMEOUT))
            if traits.unready_version:
                self._session.wait_for_language_version(_START_TIMEOUT, other_than=traits.unready_version)
        except (OSError, KernelGoneError, NotReadyError) as error:
            raise SeedError(f"{self._place.name}: kernel {kernel.name!r} does not start: {error}") from None
        for cell in self._place.seed:
            try:
                self._run(self._session, cell.source, None)  # its output is not part of a response
            except (_CellFailedError, KernelGoneError, OutputLostError) as error:
                raise SeedError(f"{self._place.name}: cell {cell.number}: {str(error).strip()}") from None

    def call(self, call: Call, limits: CallLimits) -> Answer:
        """Run a handler; the kernel is of no use after an error."""
        if self._session is None:
            self._folder = make_private_folder()
            try:
                self.start()
            except SeedError as error:
                raise KernelEndedError(str(error)) from None
        killed_before = oom_kills()
        try:
            return self._call(self._session, call, limits)  # type: ignore[arg-type]
        except _TooLargeError:
            self.end(patience=0)  # it may print without end
            raise KernelEndedError("its response is larger than the server allows (--max-response)") from None
        except CellTooLongError:
            self.end()
            raise CallTimeoutError from None
        except (KernelGoneError, OutputLostError):
            self.end()
            why = "memory ran out" if oom_kills() > killed_before else "its kernel ended"
            raise KernelEndedError(why) from None

    def _call(self, session: Session, call: Call, limits: CallLimits) -> Answer:
        try:
            self._run(session, self._translator.cell({"REQUEST": call.request}), limits.seconds)
            body, result = self._run(session, call.endpoint.source, limits.seconds, limits.response)
            info = ""
            if call.endpoint.info:
                info, _ = self._run(session, call.endpoint.info, limits.seconds, limits.response - len(_encode(body)))
        except _CellFailedError as error:
            return Answer(error=str(error))
        except NotImplementedError as error:
            return Answer(error=f"Error REQUEST: the request cannot be written in this language: {error} \n")
        body = body or (json.dumps(result) if result else "")
        if len(_encode(body)) + len(_encode(info)) > limits.response:
            raise _TooLargeError
        return Answer(body=body, info=info)

    @staticmethod
    def _run(session: Session, source: str, limit: float | None, largest: int | None = None) -> tuple[str, Any]:
        """Run a cell, and return what it printed, and its result; nothing without ``largest``.

        Raises:
            _TooLargeError: the cell printed more than ``largest`` bytes.
        """
        printed = bytearray()
        result: Any = None
        errors: list[dict[str, Any]] = []

        def take(message: Message) -> None:
            nonlocal result
            if message.parent != session.current_request:
                return
            if message.kind == "error":
                errors[:] = [message.content]
            elif largest is None:
                return
            elif message.kind == "stream" and message.content.get("name", "stdout") == "stdout":
                printed.extend(_encode(str(message.content.get("text", ""))))
                if len(printed) > largest:
                    raise _TooLargeError
            elif message.kind == "execute_result":
                result = message.content.get("data")

        reply = session.execute(ExecuteRequest(code=source, take=take, limit=limit))
        if not errors and reply.content.get("status") == "error":
            errors.append(reply.content)
        if errors:
            raise _CellFailedError(f"Error {errors[-1].get('ename', '')}: {errors[-1].get('evalue', '')} \n")
        return printed.decode(errors=_SURROGATES), result

    def end(self, *, patience: float = _PATIENCE) -> None:
        """End the kernel, which has some seconds to shut down by itself."""
        session, self._session = self._session, None
        if session is not None:
            if patience:
                session.request_shutdown(take=ignore, patience=patience, grace=0.5)
            session.end()
        remove_private_folder(self._folder)


def _encode(text: str) -> bytes:
    return text.encode(errors=_SURROGATES)


class KernelState:
    """Kernels that take turns."""

    def __init__(self, place: Place, limits: CallLimits, log: Callable[[str], None]) -> None:
        self._place, self._limits, self._log = place, limits, log
        self._turns = Turns(limits.kernels, limits.waiting)
        self._kernels: list[tuple[_Kernel, ThreadPoolExecutor]] = []
        self._idle: asyncio.Queue[tuple[_Kernel, ThreadPoolExecutor]] = asyncio.Queue()

    async def start(self) -> None:
        """Start the kernels and run the cells in each.

        Raises:
            SeedError: a cell failed, a kernel does not start, or ``REQUEST`` cannot be set in its language.
        """
        kernel = self._place.kernel
        translator = find_translator(kernel.name, kernel.language)
        if translator is None:
            raise SeedError(f"{self._place.name}: REQUEST cannot be set in the language {kernel.language!r}")
        self._kernels = [(_Kernel(self._place, translator), ThreadPoolExecutor(1)) for _ in range(self._limits.kernels)]
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(thread, one.start) for one, thread in self._kernels))
        for pair in self._kernels:
            self._idle.put_nowait(pair)

    async def call(self, call: Call) -> Answer:
        """Run a handler."""
        await self._turns.enter(call.leaving)
        kernel, thread = self._idle.get_nowait()
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, kernel.call, call, self._limits)
        except KernelEndedError as error:
            self._log(f"{self._place.name}: {call.endpoint.verb} {call.endpoint.path}: {error}; the state is lost")
            raise
        finally:
            self._idle.put_nowait((kernel, thread))
            self._turns.leave()

    async def stop(self) -> None:
        """End all kernels."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(thread, kernel.end) for kernel, thread in self._kernels))
        for _, thread in self._kernels:
            thread.shutdown()
