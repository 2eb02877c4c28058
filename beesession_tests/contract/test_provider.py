"""Each engine of ours runs the conformance suite that third-party engines run, too."""

from __future__ import annotations

import pytest

from beesession.provider import Provider
from beesession.testing import ProviderContract
from beesession_tests.engines import RunningEngine


class TestEachEngine(ProviderContract):
    @pytest.fixture
    def provider(self, engine: RunningEngine) -> Provider:
        return engine.provider
