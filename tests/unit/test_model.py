"""The legal moves of a job."""

from bot.model import LEGAL_MOVES, JobStatus


def test_every_state_has_its_moves_and_some_are_final() -> None:
    assert set(LEGAL_MOVES) == set(JobStatus)
    final = {status for status in JobStatus if status.finished}
    assert final == {
        JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.REFUSED, JobStatus.CANCELLED,
    }  # fmt: skip


def test_every_state_is_reached_from_received_and_leads_to_an_end() -> None:
    reached, frontier = set(), {JobStatus.RECEIVED}
    while frontier:
        reached |= frontier
        frontier = {after for status in frontier for after in LEGAL_MOVES[status]} - reached
    assert reached == set(JobStatus)


def test_only_running_jobs_go_back_to_the_queue() -> None:
    back = {status for status in JobStatus if JobStatus.QUEUED in LEGAL_MOVES[status]}
    assert back == {JobStatus.RECEIVED, JobStatus.RUNNING}
