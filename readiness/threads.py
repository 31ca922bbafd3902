"""Threads for what blocks and cannot be interrupted, such as a look-up at a name server that never answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Unawaited(ThreadPoolExecutor):
    """Gives every call a thread of its own, for which neither the event loop nor the interpreter waits at its end.

    A pool makes the fourth machine's login wait for the look-ups of the first three, and the process for all of them.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        answer: Future[T] = Future()

        def work() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 (handed to whoever waits, as any executor does)
                answer.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave to themselves those that are still at work."""
