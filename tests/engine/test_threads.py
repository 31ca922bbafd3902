"""Threads that nobody waits for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from readiness.threads import Unawaited


async def test_what_a_call_gives_back_or_raises_comes_back() -> None:
    """As from any executor."""
    asyncio.get_running_loop().set_default_executor(Unawaited())
    assert await asyncio.to_thread(sum, (1, 2)) == 3
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(divmod, 1, 0)


async def test_a_hundred_calls_that_hang_keep_nobody_waiting() -> None:
    """Each has a thread of its own: the next call is carried out at once."""
    asyncio.get_running_loop().set_default_executor(Unawaited())
    over = threading.Event()
    hanging = [asyncio.create_task(asyncio.to_thread(over.wait)) for _ in range(100)]
    try:
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(str, 1) == "1"
    finally:
        over.set()
        await asyncio.gather(*hanging)


def test_the_process_ends_while_one_still_hangs() -> None:
    """Neither the loop nor the interpreter waits, and nothing is said about it."""
    program = (
        "import asyncio, threading\n"
        "from readiness.threads import Unawaited\n"
        "async def main():\n"
        "    asyncio.get_running_loop().set_default_executor(Unawaited())\n"
        "    hanging = asyncio.create_task(asyncio.to_thread(threading.Event().wait))\n"
        "    await asyncio.sleep(0.01)\n"
        "    hanging.cancel()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
