from __future__ import annotations

from pathlib import Path

import pytest
from finished_run import build


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished data sets by stage."""
    return build(tmp_path_factory.mktemp("run"))
