"""when the newest visit of a user began

Revision ID: visit_began
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "visit_began"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "visit_began_at",
                sa.DateTime(timezone=True),
                server_default="1970-01-01 00:00:00.000000",
                nullable=False,
            )
        )


def downgrade() -> None:
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("visit_began_at")
