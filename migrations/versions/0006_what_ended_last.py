"""What ended last in a state is found without reading all that ever did."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_jobs_status_finished_at"), "jobs", ["status", "finished_at"])
    op.drop_index(op.f("ix_jobs_finished_at"), "jobs")


def downgrade() -> None:
    op.create_index(op.f("ix_jobs_finished_at"), "jobs", ["finished_at"])
    op.drop_index(op.f("ix_jobs_status_finished_at"), "jobs")
