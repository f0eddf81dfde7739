"""Who may do what: keys, origins, visitors, other accounts."""

import httpx
import pytest

from tests.flow.client import HOURS, Client
from tests.stack import Stack

PAGE = "https://shop.example"


@pytest.fixture
async def widget(client: Client, http: httpx.AsyncClient, shop: str) -> Client:
    """A client with a publishable key for one page; it sends no Origin by itself."""
    created = await client.post(
        f"/v1/agents/{shop}/keys", {"type": "publishable", "allowed_origins": [PAGE]}
    )
    return Client(http, created["key"])


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Basic abc", "Bearer sk_" + "x" * 43, "Bearer nonsense"],
)
async def test_without_a_valid_key_nothing_works(
    http: httpx.AsyncClient, authorization: str | None
) -> None:
    """401, in the envelope, on every path that needs a key."""
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, path in (("GET", "/v1/agents"), ("POST", "/v1/agents/a/chat")):
        response = await http.request(method, path, headers=headers, json={"bad": 1})
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"


async def test_a_publishable_key_chats_from_its_page_only(widget: Client, shop: str) -> None:
    """The right origin chats; another one, or none, is a 403."""
    body = {"message": "When are you open?"}
    path = f"/v1/agents/{shop}/chat"
    allowed = await widget.request("POST", path, json=body, headers={"Origin": PAGE})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
        refused = await widget.request("POST", path, json=body, headers=headers)
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "origin_not_allowed"
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.usefixtures("widget")
async def test_preflights_are_answered_for_known_origins(
    http: httpx.AsyncClient, shop: str
) -> None:
    """A browser may ask for the page of any publishable key, and for no other."""
    asked = {"Access-Control-Request-Method": "POST"}
    path = f"/v1/agents/{shop}/chat"
    known = await http.options(path, headers=asked | {"Origin": PAGE})
    assert known.headers["access-control-allow-origin"] == PAGE
    unknown = await http.options(path, headers=asked | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in unknown.headers


async def test_a_visitor_reads_only_the_own_conversation(
    widget: Client, client: Client, shop: str
) -> None:
    """The token that the visitor got opens the conversation; without it, it does not exist."""
    origin = {"Origin": PAGE}
    chat = await widget.request(
        "POST", f"/v1/agents/{shop}/chat", json={"message": "Hi"}, headers=origin
    )
    token, path = (
        chat.json()["visitor_token"],
        f"/v1/conversations/{chat.json()['conversation_id']}",
    )
    own = origin | {"X-Visitor-Token": token}
    assert (await widget.request("GET", path, headers=own)).status_code == 200
    other = origin | {"X-Visitor-Token": "vt_" + "x" * 43}
    assert (await widget.request("GET", path, headers=other)).status_code == 404
    assert (await widget.request("GET", path, headers=origin)).status_code == 404
    assert (await client.get(path))["messages"]
    body = {"message": "And?", "conversation_id": chat.json()["conversation_id"]}
    for headers, status in ((own, 200), (other, 404), (origin, 404)):
        response = await widget.request(
            "POST", f"/v1/agents/{shop}/chat", json=body, headers=headers
        )
        assert response.status_code == status


async def test_a_publishable_key_can_do_nothing_else(widget: Client, shop: str) -> None:
    """Everything but chatting and reading back is a 403."""
    agent = f"/v1/agents/{shop}"
    for method, path in (
        ("GET", "/v1/agents"),
        ("POST", "/v1/agents"),
        ("GET", agent),
        ("PATCH", agent),
        ("DELETE", agent),
        ("GET", f"{agent}/sources"),
        ("POST", f"{agent}/sources"),
        ("GET", f"{agent}/keys"),
        ("POST", f"{agent}/keys"),
        ("GET", f"{agent}/webhooks"),
        ("GET", f"{agent}/conversations"),
        ("GET", "/v1/credits"),
        ("GET", "/v1/credits/ledger"),
        ("GET", "/v1/usage"),
    ):
        body = BODIES.get((method, path.removeprefix(agent)))
        response = await widget.request(method, path, json=body, headers={"Origin": PAGE})
        assert response.status_code == 403, (method, path, response.text)


BODIES = {
    ("POST", "/v1/agents"): {"name": "x"},
    ("PATCH", ""): {"name": "x"},
    ("POST", "/sources"): HOURS,
    ("POST", "/keys"): {"type": "secret"},
}


async def test_other_accounts_see_nothing(
    stack: Stack, http: httpx.AsyncClient, client: Client, shop: str
) -> None:
    """Another account's ids are 404 on every path, whatever the method."""
    conversation_id = (await client.chat(shop, "Hi"))["conversation_id"]
    source = (await client.get(f"/v1/agents/{shop}/sources"))["items"][0]["id"]
    key = await client.post(f"/v1/agents/{shop}/keys", {"type": "secret"})
    stranger = Client(http, await stack.account())
    own = await stranger.agent()
    agent = f"/v1/agents/{shop}"
    for method, path, body in (
        ("GET", agent, None),
        ("PATCH", agent, {"name": "x"}),
        ("DELETE", agent, None),
        ("POST", f"{agent}/chat", {"message": "Hi"}),
        ("GET", f"{agent}/sources", None),
        ("POST", f"{agent}/sources", HOURS),
        ("GET", f"{agent}/sources/{source}", None),
        ("DELETE", f"{agent}/sources/{source}", None),
        ("GET", f"/v1/agents/{own}/sources/{source}", None),
        ("DELETE", f"/v1/agents/{own}/sources/{source}", None),
        ("DELETE", f"/v1/agents/{own}/keys/{key['id']}", None),
        ("GET", f"{agent}/keys", None),
        ("POST", f"{agent}/keys", {"type": "secret"}),
        ("GET", f"{agent}/webhooks", None),
        ("GET", f"{agent}/conversations", None),
        ("GET", f"/v1/conversations/{conversation_id}", None),
        ("POST", f"/v1/agents/{own}/chat", {"message": "Hi", "conversation_id": conversation_id}),
    ):
        response = await stranger.request(method, path, json=body)
        assert response.status_code == 404, (method, path, response.text)
    credits = await stranger.get("/v1/credits")
    assert credits["held"] == 0  # a refused message gives its hold back at once


async def test_one_visitor_can_not_use_up_the_key(widget: Client) -> None:
    """A visitor has a limit of its own; another one is not touched by it."""
    path = "/v1/conversations/conv_none"
    flood = {"Origin": PAGE, "X-Visitor-Token": "vt_" + "f" * 43}
    statuses = [
        # The minute may turn over once in between: twice the limit of 20, and one.
        (await widget.request("GET", path, headers=flood)).status_code
        for _ in range(41)
    ]
    assert statuses[0] == 404
    assert 429 in statuses
    calm = {"Origin": PAGE, "X-Visitor-Token": "vt_" + "c" * 43}
    assert (await widget.request("GET", path, headers=calm)).status_code == 404


async def test_made_up_tokens_do_not_get_around_the_limit(widget: Client) -> None:
    """All tokens of one address are limited together; another address is not touched."""
    path = "/v1/conversations/conv_none"

    def headers(number: int, address: str) -> dict[str, str]:
        token = f"vt_{number:043}"
        return {"Origin": PAGE, "X-Visitor-Token": token, "X-Forwarded-For": address}

    statuses = {
        # Twice the limit of 100, and one: the minute may turn over once in between.
        (await widget.request("GET", path, headers=headers(number, "10.9.8.7"))).status_code
        for number in range(201)
    }
    assert statuses == {404, 429}
    calm = await widget.request("GET", path, headers=headers(0, "10.9.8.6"))
    assert calm.status_code == 404
