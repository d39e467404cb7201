"""/healthz, /readyz and /metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web


class ListenError(Exception):
    """The address cannot be had; the message names it and the remedy."""


@asynccontextmanager
async def serving(
    listen: str, *, healthy: Callable[[], str], ready: Callable[[], str], metrics: Callable[[], bytes]
) -> AsyncIterator[str]:
    """Serve while inside; yields the address. A check answers the reason why not, empty when all is well."""

    def page(check: Callable[[], str]) -> Callable[[web.Request], object]:
        async def answer(_request: web.Request) -> web.Response:
            reason = check()
            return web.Response(text=(reason or "ok") + "\n", status=503 if reason else 200)

        return answer

    async def metrics_page(_request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    application = web.Application()
    application.add_routes(
        [
            web.get("/healthz", page(healthy)),  # type: ignore[arg-type] # aiohttp's handler type is not exported
            web.get("/readyz", page(ready)),  # type: ignore[arg-type]
            web.get("/metrics", metrics_page),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, _, port = listen.rpartition(":")
    try:
        site = web.TCPSite(runner, host or "127.0.0.1", int(port))
        await site.start()
    except (OSError, OverflowError) as trouble:
        await runner.cleanup()
        why = getattr(trouble, "strerror", None) or trouble
        raise ListenError(
            f"cannot listen on {listen}: {why}; name another address with --listen ('' for none)"
        ) from None
    try:
        yield site.name
    finally:
        await runner.cleanup()
