"""Questions that are asked at about the same time, carried to a machine in one exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from readiness.model import ProbeError, Reason

AskT = TypeVar("AskT")
AnswerT = TypeVar("AnswerT")


def error(reason: Reason) -> ProbeError:
    """A fresh exception for a reason, since one exception is not raised in two places."""
    return ProbeError(reason.code, reason.detail, enable=reason.enable, by=reason.by)


def seen(future: asyncio.Future[AnswerT]) -> None:
    """Take note of a future's exception, so that nobody complains where nobody waits for it any more."""
    if not future.cancelled():
        future.exception()


class Batch(Generic[AskT, AnswerT]):
    """Questions that travel together; it takes more of them until it is sealed or has as many as it may."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._asks: list[AskT] = []
        self._answers: list[asyncio.Future[AnswerT]] = []
        self._sealed = False

    @property
    def closed(self) -> bool:
        """Whether it takes no more questions."""
        return self._sealed or len(self._asks) == self._most

    def add(self, ask: AskT) -> asyncio.Future[AnswerT]:
        answer: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(seen)
        self._asks.append(ask)
        self._answers.append(answer)
        return answer

    def seal(self) -> tuple[AskT, ...]:
        """The questions, final from now on."""
        self._sealed = True
        return tuple(self._asks)

    def answer(self, index: int, answer: AnswerT) -> None:
        """Answer one question at once; a second answer counts for nothing."""
        if 0 <= index < len(self._answers) and not self._answers[index].done():
            self._answers[index].set_result(answer)

    def refuse(self, index: int, reason: Reason) -> None:
        if 0 <= index < len(self._answers) and not self._answers[index].done():
            self._answers[index].set_exception(error(reason))

    def refuse_rest(self, reason: Reason) -> None:
        """Say of every question still open why it got no answer."""
        for index in range(len(self._answers)):
            self.refuse(index, reason)

    def drop(self) -> None:
        for answer in self._answers:
            answer.cancel()


class Together(Generic[AskT, AnswerT]):
    """Collects questions for ``window`` seconds, at most so many, and hands them over as one batch.

    ``carry`` seals the batch when it sets out, so that whatever is asked while it waits for its turn goes along. A
    batch under way keeps nobody waiting: the next question opens another.
    """

    def __init__(
        self,
        carry: Callable[[Batch[AskT, AnswerT]], Awaitable[None]],
        *,
        window: float,
        most: int | None = None,
    ) -> None:
        self._carry = carry
        self._window = window
        self._most = most
        self._collecting: Batch[AskT, AnswerT] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    def add(self, ask: AskT) -> asyncio.Future[AnswerT]:
        """Ask; the future holds the answer, or the ``ProbeError`` why there is none."""
        if self._collecting is None or self._collecting.closed:
            self._collecting = Batch(self._most)
            task = asyncio.get_running_loop().create_task(self._send(self._collecting))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return self._collecting.add(ask)

    async def _send(self, batch: Batch[AskT, AnswerT]) -> None:
        try:
            await asyncio.sleep(self._window)
            await self._carry(batch)
        except ProbeError as trouble:
            batch.seal()
            batch.refuse_rest(trouble.reason)
        finally:
            batch.seal()
            batch.drop()

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
