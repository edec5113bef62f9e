"""Hostile pictures through the real worker: each a picture or a clear sentence, memory bounded."""

from collections import Counter

import pytest

from bot.errors import BadPicture
from bot.pictures import PictureWorker
from tests.hostile.build import Hostile
from tests.hostile.files import GROUPS
from tests.hostile.trial import LIMITS, MAX_MEMORY, faults, outcome_of, sentence_faults


@pytest.fixture(scope="module")
def files() -> dict[str, list[Hostile]]:
    return {group: list(make()) for group, make in GROUPS.items()}


@pytest.mark.parametrize("group", GROUPS)
async def test_each_becomes_a_picture_or_a_clear_sentence(
    group: str, files: dict[str, list[Hostile]]
) -> None:
    wrong = []
    async with PictureWorker(LIMITS) as worker:
        for one in files[group]:
            outcome = await outcome_of(worker, one)
            wrong += [f"{one.name}: {fault}" for fault in faults(one, outcome)]
        assert 0 < worker.peak_memory < MAX_MEMORY
        assert worker.lost == 0
    assert wrong == []


@pytest.mark.parametrize("group", GROUPS)
async def test_each_can_be_asked_what_made_it(group: str, files: dict[str, list[Hostile]]) -> None:
    wrong = []
    async with PictureWorker(LIMITS) as worker:
        for one in files[group]:
            try:
                await worker.provenance(one.data)
            except BadPicture as error:
                wrong += [f"{one.name}: {fault}" for fault in sentence_faults(str(error))]
        assert 0 < worker.peak_memory < MAX_MEMORY
        assert worker.lost == 0
    assert wrong == []


def test_the_collection_is_large_and_its_names_are_its_own(
    files: dict[str, list[Hostile]],
) -> None:
    names = Counter(one.name for group in files.values() for one in group)
    assert len(names) >= 60
    assert names.most_common(1)[0][1] == 1


def test_traces_of_code_in_a_sentence_are_found() -> None:
    assert not list(sentence_faults("The picture has 900 megapixels; at most 50 are allowed."))
    for text in ("OSError: cut off.", "Cannot read <_io.BytesIO object>.", "No stop", "None."):
        assert list(sentence_faults(text))
