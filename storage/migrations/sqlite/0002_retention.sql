-- SPDX-License-Identifier: Apache-2.0
-- What conversations say themselves of how much of their logs is kept. Of each limit 0: as the
-- server's default says; -1: there is none. A server that does not know the columns leaves them
-- alone.

ALTER TABLE conversation ADD COLUMN retention_age_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN retention_messages INTEGER NOT NULL DEFAULT 0;

-- The few that may have to be trimmed where there is no default.
CREATE INDEX conversation_retention ON conversation (number)
    WHERE retention_age_ms<>0 OR retention_messages<>0;
