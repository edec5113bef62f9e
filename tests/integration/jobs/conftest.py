from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.joblog import JobLog


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[JobLog]:
    async with JobLog.open(tmp_path) as log:
        yield log
