-- SPDX-License-Identifier: Apache-2.0
-- Conversations, their logs and members, and each user's list of conversations.
--
-- A statement ends with a semicolon at the end of a line and is safe to run twice: DDL commits by
-- itself, so a migration that was interrupted is run again from its first statement.
-- Ids and texts are bytes: they compare byte by byte, whatever the server's collation.

-- Which shard of how many this database is, and the epoch of the shard map. Each writing
-- transaction reads the epoch under a shared lock: whoever changes it waits for those that began
-- before, and those that come after see that their map is old.
CREATE TABLE IF NOT EXISTS shard_place (
    one    TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    shard  INT UNSIGNED     NOT NULL,
    shards INT UNSIGNED     NOT NULL,
    epoch  BIGINT UNSIGNED  NOT NULL
) ENGINE=InnoDB;

-- What this database is for each bucket that was ever moved, here or away (storage/mysql/map.h has the
-- states). A bucket without a row belongs to the shard that its number gives. epoch: of the shard
-- map, when the row last changed. until_ms: a fence holds so long, by the clock of this server.
CREATE TABLE IF NOT EXISTS bucket_place (
    bucket   SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
    owner    INT UNSIGNED      NOT NULL,
    version  BIGINT UNSIGNED   NOT NULL,
    state    TINYINT UNSIGNED  NOT NULL,
    until_ms BIGINT            NOT NULL,
    epoch    BIGINT UNSIGNED   NOT NULL
) ENGINE=InnoDB;

-- serial: unique on this shard, larger than any that was moved here. bucket * 2^40 + serial stands
-- for the conversation in the tables below: a bucket is one range of each of them.
-- members_seq: the seq of the last change of members; a role that was read at the same members_seq
-- is still true.
CREATE TABLE IF NOT EXISTS conversation (
    bucket        SMALLINT UNSIGNED NOT NULL,
    id            VARBINARY(64)     NOT NULL,
    serial        BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
    title         VARBINARY(256)    NOT NULL,
    created_by    VARBINARY(64)     NOT NULL,
    created_at_ms BIGINT            NOT NULL,
    head_seq      BIGINT            NOT NULL,
    first_seq     BIGINT            NOT NULL,
    ordinal       BIGINT            NOT NULL,
    last_at_ms    BIGINT            NOT NULL,
    member_count  BIGINT            NOT NULL,
    members_seq   BIGINT            NOT NULL,
    PRIMARY KEY (bucket, id),
    KEY conversation_serial (serial)
) ENGINE=InnoDB;

-- The log. client_message_id and content_type are NULL for events that are no message.
-- message_once: a message is stored once, for ever.
CREATE TABLE IF NOT EXISTS message (
    conversation      BIGINT UNSIGNED  NOT NULL,
    seq               BIGINT           NOT NULL,
    created_at_ms     BIGINT           NOT NULL,
    ordinal           BIGINT           NOT NULL,
    kind              TINYINT UNSIGNED NOT NULL,
    role              TINYINT UNSIGNED NOT NULL,
    sender            VARBINARY(64)    NOT NULL,
    client_message_id VARBINARY(64),
    content_type      VARBINARY(127),
    body              MEDIUMBLOB       NOT NULL,
    PRIMARY KEY (conversation, seq),
    UNIQUE KEY message_once (conversation, sender, client_message_id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS member (
    conversation BIGINT UNSIGNED  NOT NULL,
    user         VARBINARY(64)    NOT NULL,
    role         TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (conversation, user)
) ENGINE=InnoDB;

-- Lives on the user's shard. version: the seq of the change that it shows; what two nodes bring here
-- in the wrong order ends right. Who left keeps a row, so that an older change finds it.
CREATE TABLE IF NOT EXISTS user_conversation (
    bucket       SMALLINT UNSIGNED NOT NULL,
    user         VARBINARY(64)     NOT NULL,
    conversation VARBINARY(64)     NOT NULL,
    is_member    TINYINT UNSIGNED  NOT NULL,
    version      BIGINT            NOT NULL,
    PRIMARY KEY (bucket, user, conversation)
) ENGINE=InnoDB;

-- Users of other shards whose membership changed here and whose list may not show it yet.
-- owner: the writer that will bring it there; id: in its own counting.
CREATE TABLE IF NOT EXISTS outbox (
    owner           BIGINT UNSIGNED  NOT NULL,
    id              BIGINT           NOT NULL,
    conversation    BIGINT UNSIGNED  NOT NULL,
    conversation_id VARBINARY(64)    NOT NULL,
    user            VARBINARY(64)    NOT NULL,
    is_member       TINYINT UNSIGNED NOT NULL,
    version         BIGINT           NOT NULL,
    PRIMARY KEY (owner, id),
    KEY outbox_conversation (conversation)
) ENGINE=InnoDB;

-- The last transaction of each writer, updated by the transaction itself: after a connection was
-- lost in the middle of a commit it tells what became of it.
CREATE TABLE IF NOT EXISTS writer (
    id               BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    last_transaction BIGINT UNSIGNED NOT NULL,
    seen_at_ms       BIGINT          NOT NULL
) ENGINE=InnoDB;
