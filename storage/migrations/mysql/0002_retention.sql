-- SPDX-License-Identifier: Apache-2.0
-- What conversations say themselves of how much of their logs is kept. Of each limit 0: as the
-- server's default says; -1: there is none. A server that does not know the columns leaves them
-- alone.
-- conversation_retention finds the few that may have to be trimmed where there is no default.
--
-- One statement that is done whole or not at all; MySQL cannot be told to leave alone what is there.

SET @change = (SELECT IF(COUNT(*) > 0, 'DO 0',
    'ALTER TABLE conversation
        ADD COLUMN retention_age_ms   BIGINT NOT NULL DEFAULT 0,
        ADD COLUMN retention_messages BIGINT NOT NULL DEFAULT 0,
        ADD KEY conversation_retention (bucket, retention_age_ms, retention_messages)')
    FROM information_schema.columns WHERE table_schema=DATABASE() AND table_name='conversation'
    AND column_name='retention_age_ms');
PREPARE change_conversation FROM @change;
EXECUTE change_conversation;
DEALLOCATE PREPARE change_conversation;
