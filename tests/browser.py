"""A real Chromium without a window, driven over its DevTools protocol: as much as a test of a page needs.

`async with browser(program("chromium"), folder) as page`, then `page.open(url)`, `page.value(javascript)`,
`page.until(javascript)`, `page.screenshot()`. What the page throws or is refused ends in `page.troubles`.
"""

import asyncio
import base64
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-sync", "--remote-debugging-port=0", "--window-size=1200,900",
)  # fmt: skip
TROUBLE = ("Runtime.exceptionThrown", "Log.entryAdded", "Security.certificateError")


class Tab:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.troubles: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Takes in what the browser says, until it ends."""
        async for received in self._socket:
            told = orjson.loads(received.data)
            if told.get("id") in self._answers:
                self._answers.pop(told["id"]).set_result(told)
            elif told.get("method") in TROUBLE and told["params"].get("entry", {}).get("level", "error") == "error":
                self.troubles.append(str(told["params"]))

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        waited = self._answers[number]
        await self._socket.send_str(orjson.dumps({"id": number, "method": method, "params": parameters}).decode())
        answer = await asyncio.wait_for(waited, 60)
        assert "error" not in answer, answer
        return answer["result"]

    async def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        await self.ask("Page.navigate", url=url)

    async def value(self, javascript: str) -> Any:
        answer = await self.ask("Runtime.evaluate", expression=javascript, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, javascript: str, *, within: float = 60.0) -> Any:
        """The first truthy value; fails with the text of the page when there is none in time."""
        try:
            async with asyncio.timeout(within):
                while not (value := await self.value(javascript)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            text = await self.value("document.body.innerText")
            raise AssertionError(f"{javascript} did not come true; the page says: {text}; {self.troubles}") from None
        return value

    async def key(self, key: str) -> None:
        """Presses a key: Enter, Tab, Escape, or a character."""
        text = {"text": "\r"} if key == "Enter" else {} if len(key) > 1 else {"text": key}
        code = {"Enter": 13, "Tab": 9, "Escape": 27}.get(key, ord(key[0]))
        await self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, **text)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    async def screenshot(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode((await self.ask("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def browser(chromium: str, folder: Path) -> AsyncGenerator[Tab, None]:
    """A browser with one tab and a profile of its own in `folder`; it ends with the block."""
    profile = folder / "profile"
    process = await asyncio.create_subprocess_exec(
        chromium, *FLAGS, f"--user-data-dir={profile}", "about:blank", stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as http:
            address = await _first_page(http, port)
            async with http.ws_connect(address, max_msg_size=0) as socket, asyncio.TaskGroup() as group:
                tab = Tab(socket)
                listening = group.create_task(tab.listen())
                yield tab
                listening.cancel()
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _first_page(http: aiohttp.ClientSession, port: int) -> str:
    """It answers before it has a tab."""
    async with asyncio.timeout(60):
        while True:
            async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
                for one in await answer.json():
                    if one["type"] == "page":
                        return one["webSocketDebuggerUrl"]
            await asyncio.sleep(0.05)


async def _port(file: Path) -> int:
    async with asyncio.timeout(60):
        while not file.exists() or "\n" not in (text := file.read_text()):
            await asyncio.sleep(0.05)
    return int(text.splitlines()[0])
