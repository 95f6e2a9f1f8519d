"""What the tests of datasets share: a cache of their own and no network, and an error that is one line."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest


def cut_off(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Until the test ends, what is decoded goes to `cache`, and each connection is refused at once."""

    def refused(*_, **__):
        raise urllib.error.URLError("no network in the tests")

    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(urllib.request, "urlopen", refused)


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message
