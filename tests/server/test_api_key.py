"""``POST /sessions`` behind the API key, where one is set (contract, section 6)."""

import aiohttp
import pytest

from loudsync import ServerSettings, SessionServer

KEY = "correct horse é"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        (f"Basic {KEY}", 401),
        (f"Bearer {KEY}", 201),
        (f"bearer  {KEY}", 201),
    ],
)
async def test_only_who_knows_the_key_opens_sessions(
    authorization: str | None, status: int
) -> None:
    settings = ServerSettings(api_key=KEY)
    headers = {} if authorization is None else {"Authorization": authorization}
    async with (
        SessionServer(host="127.0.0.1", port=0, settings=settings) as server,
        aiohttp.ClientSession(server.url, headers=headers) as http,
        http.post("/sessions", json={"name": "P"}) as answer,
    ):
        assert answer.status == status
        body = await answer.json()
        if status == 401:
            assert body["error"]["code"] == "unauthorized"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert len(server.sessions()) == (status == 201)


async def test_the_key_is_for_opening_sessions_only() -> None:
    settings = ServerSettings(api_key=KEY)
    async with (
        SessionServer(host="127.0.0.1", port=0, settings=settings) as server,
        aiohttp.ClientSession(server.url) as http,
    ):
        session = await server.create_session("P", remote_host=True)
        async with http.get("/sessions") as answer:
            assert answer.status == 200
        wrong = {"Authorization": f"Bearer {KEY}"}
        async with http.delete(f"/sessions/{session.id}", headers=wrong) as answer:
            assert answer.status == 401
