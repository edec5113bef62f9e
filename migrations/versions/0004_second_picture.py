"""A job's second picture: a mask, the style, or the other one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("second_url", sa.Text()))
    op.add_column("jobs", sa.Column("second", sa.String(64)))
    op.create_index(op.f("ix_jobs_second"), "jobs", ["second"])


def downgrade() -> None:
    op.drop_index(op.f("ix_jobs_second"), "jobs")
    op.drop_column("jobs", "second")
    op.drop_column("jobs", "second_url")
