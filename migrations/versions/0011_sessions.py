"""How people sign up and in: passwords, proofs of an e-mail address, sessions."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_PASSING = "'generation_succeeded', 'generation_failed', 'webhook_test'"
_LETTERS = "'verify_address', 'password_reset', 'address_known', 'password_changed'"

UPGRADE: tuple[str, ...] = (
    """
    ALTER TABLE users
        ADD COLUMN password_hash text,
        ADD COLUMN email_verified_at timestamptz,
        ADD COLUMN version integer NOT NULL DEFAULT 1,
        ADD CONSTRAINT ck_users_password_hash_length CHECK (char_length(password_hash) BETWEEN 20 AND 256)
    """,
    # Everybody so far was let in by an operator.
    "UPDATE users SET email_verified_at = created_at",
    "DROP INDEX ix_users_allowance_due_at",
    """
    CREATE INDEX ix_users_allowance_due_at ON users (allowance_due_at, id)
     WHERE deleted_at IS NULL AND NOT demo AND email_verified_at IS NOT NULL
    """,
    "CREATE INDEX ix_users_unverified ON users (created_at) WHERE deleted_at IS NULL AND email_verified_at IS NULL",
    "ALTER TABLE api_keys ADD COLUMN expires_at timestamptz",
    "DROP INDEX ix_api_keys_account_id",
    "CREATE INDEX ix_api_keys_account_id ON api_keys (account_id, created_at, id)",
    """
    CREATE TABLE sessions (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        token_hash bytea NOT NULL,
        agent text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_seen_at timestamptz NOT NULL DEFAULT now(),
        authenticated_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        CONSTRAINT pk_sessions PRIMARY KEY (id),
        CONSTRAINT fk_sessions_account_id_users FOREIGN KEY (account_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT ck_sessions_token_is_hashed CHECK (octet_length(token_hash) = 32),
        CONSTRAINT ck_sessions_agent_length CHECK (char_length(agent) BETWEEN 1 AND 60)
    )
    """,
    "CREATE UNIQUE INDEX uq_sessions_token_hash ON sessions (token_hash)",
    "CREATE INDEX ix_sessions_account_id ON sessions (account_id, created_at, id)",
    "CREATE INDEX ix_sessions_expires_at ON sessions (expires_at)",
    """
    CREATE TABLE email_proofs (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        purpose text NOT NULL,
        password_hash text,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        used_at timestamptz,
        CONSTRAINT pk_email_proofs PRIMARY KEY (id),
        CONSTRAINT fk_email_proofs_account_id_users FOREIGN KEY (account_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT ck_email_proofs_purpose CHECK (purpose IN ('verify', 'reset')),
        CONSTRAINT ck_email_proofs_password_hash CHECK ((purpose = 'verify') = (password_hash IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_email_proofs_account_id ON email_proofs (account_id)",
    "CREATE INDEX ix_email_proofs_expires_at ON email_proofs (expires_at)",
    "DROP INDEX ix_notices_passing",
    f"CREATE INDEX ix_notices_passing ON notices (told_at) WHERE kind IN ({_PASSING}, {_LETTERS})",
)
DOWNGRADE: tuple[str, ...] = (
    f"DELETE FROM notices WHERE kind IN ({_LETTERS})",  # noqa: S608 - constants; nobody would know their kinds
    "DROP INDEX ix_notices_passing",
    f"CREATE INDEX ix_notices_passing ON notices (told_at) WHERE kind IN ({_PASSING})",
    "DROP TABLE email_proofs",
    "DROP TABLE sessions",
    "DROP INDEX ix_api_keys_account_id",
    "CREATE INDEX ix_api_keys_account_id ON api_keys (account_id, created_at)",
    "ALTER TABLE api_keys DROP COLUMN expires_at",
    "DROP INDEX ix_users_unverified",
    "DROP INDEX ix_users_allowance_due_at",
    """
    CREATE INDEX ix_users_allowance_due_at ON users (allowance_due_at, id) WHERE deleted_at IS NULL AND NOT demo
    """,
    "ALTER TABLE users DROP COLUMN password_hash, DROP COLUMN email_verified_at, DROP COLUMN version",
)


def upgrade() -> None:
    # A migration waits for a lock only briefly: a queue behind it would stop the whole service.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in UPGRADE:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in DOWNGRADE:
        op.get_bind().exec_driver_sql(statement)
