"""Signs in, pages through all users with their roles, tells which hotels one of them may access, signs out.

Needs Python 3.11 and what requirements.txt names. Copy `Identity` to begin with.
"""

import os
from collections.abc import Iterator
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport

LOGIN = """mutation ($input: LoginInput!) {
  login(input: $input) { tokens { accessToken refreshToken } errors { code message path } }
}"""
REFRESH = """mutation ($input: RefreshInput!) {
  refresh(input: $input) { tokens { accessToken refreshToken } errors { code message path } }
}"""
USERS = """query ($after: String) {
  users(first: 2, after: $after) { nodes { id email roles { name } } pageInfo { hasNextPage endCursor } }
}"""
HOTELS = """query ($email: String!) {
  user(by: {email: $email}) { hotels(first: 100) { nodes { id name } } }
}"""


class InputRefused(Exception):
    """Something that the person at the screen can put right."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(" ".join(error["message"] for error in errors))
        self.errors = errors


class Identity:
    """A client that keeps its tokens and refreshes them when they have expired."""

    def __init__(self, url: str) -> None:
        self._transport = HTTPXTransport(url=f"{url}/graphql", headers={})
        self._client = Client(transport=self._transport, execute_timeout=None)
        self._session = self._client.connect_sync()
        self._refresh_token = ""

    def sign_in(self, email: str, password: str) -> None:
        self._begin(self._send(LOGIN, {"input": {"email": email, "password": password}})["login"])

    def request(self, document: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Data, or a TransportQueryError with the contract's code for what a developer or an operator must put right."""
        try:
            return self._send(document, variables or {})
        except TransportQueryError as error:
            if not self._refresh_token or code_of(error) != "UNAUTHENTICATED":
                raise
        self._begin(self._send(REFRESH, {"input": {"refreshToken": self._refresh_token}})["refresh"])
        return self._send(document, variables or {})

    def users(self) -> Iterator[dict[str, Any]]:
        after = None
        while True:
            page = self.request(USERS, {"after": after})["users"]
            yield from page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    def _begin(self, payload: dict[str, Any]) -> None:
        if payload["errors"]:
            raise InputRefused(payload["errors"])
        tokens = payload["tokens"]
        self._refresh_token = tokens["refreshToken"]
        self._transport.client.headers["Authorization"] = f"Bearer {tokens['accessToken']}"

    def _send(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        return self._session.execute(GraphQLRequest(document, variable_values=variables))


def code_of(error: TransportQueryError) -> str | None:
    return ((error.errors or [{}])[0].get("extensions") or {}).get("code")


if __name__ == "__main__":
    identity = Identity(os.environ.get("VOICEHIVE_URL", "http://127.0.0.1:8000"))
    try:
        identity.sign_in("admin@voicehive-hotels.eu", "wrong")
    except InputRefused as refusal:
        print(f"Refused: {refusal.errors[0]['code']}")
    identity.sign_in("admin@voicehive-hotels.eu", "admin123")
    for user in identity.users():
        print(user["email"], ", ".join(role["name"] for role in user["roles"]))
    hotels = identity.request(HOTELS, {"email": "manager@hotel1.com"})["user"]["hotels"]["nodes"]
    print("manager@hotel1.com may access", ", ".join(hotel["id"] for hotel in hotels))
    ended = identity.request("mutation { logout { revokedSessions } }")["logout"]["revokedSessions"]
    print(f"Signed out of {ended} session")
