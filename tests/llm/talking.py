"""How the tests of this room talk with the fake server."""

from __future__ import annotations

from huatuo.llm.http import Endpoint
from huatuo.recipe import TeacherSettings
from huatuo.records import Message


def endpoint(server, **settings):
    return Endpoint(TeacherSettings(kind="endpoint", url=server.url, model="m", **settings))


def talk(*texts):
    return [[Message(role="user", content=text)] for text in texts]
