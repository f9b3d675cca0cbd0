-- SPDX-License-Identifier: Apache-2.0
-- Conversations, their logs and members, and each user's list of conversations.

-- What this file is: which shard of how many.
CREATE TABLE shard_place (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    shard  INTEGER NOT NULL,
    shards INTEGER NOT NULL
);

-- number: bucket * 2^40 + a counter within the bucket. It stands for the conversation in every
-- clustered key below, so that a bucket is one range of each table, and it stays the same when the
-- bucket moves to another shard.
CREATE TABLE conversation (
    number        INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    title         TEXT    NOT NULL,
    created_by    TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    head_seq      INTEGER NOT NULL,
    first_seq     INTEGER NOT NULL,
    ordinal       INTEGER NOT NULL,
    last_at_ms    INTEGER NOT NULL,
    member_count  INTEGER NOT NULL
);

-- The log. client_message_id and content_type are NULL for events that are no message.
CREATE TABLE message (
    conversation      INTEGER NOT NULL,
    seq               INTEGER NOT NULL,
    created_at_ms     INTEGER NOT NULL,
    ordinal           INTEGER NOT NULL,
    kind              INTEGER NOT NULL,
    role              INTEGER NOT NULL,
    sender            TEXT    NOT NULL,
    client_message_id TEXT,
    content_type      TEXT,
    body              BLOB    NOT NULL,
    PRIMARY KEY (conversation, seq)
) WITHOUT ROWID;

-- A message is stored once, for ever.
CREATE UNIQUE INDEX message_once ON message (conversation, sender, client_message_id);

CREATE TABLE member (
    conversation INTEGER NOT NULL,
    user         TEXT    NOT NULL,
    role         INTEGER NOT NULL,
    PRIMARY KEY (conversation, user)
) WITHOUT ROWID;

-- Lives on the user's shard.
CREATE TABLE user_conversation (
    bucket       INTEGER NOT NULL,
    user         TEXT    NOT NULL,
    conversation TEXT    NOT NULL,
    PRIMARY KEY (bucket, user, conversation)
) WITHOUT ROWID;

-- Users of other shards whose membership changed here and whose list may not show it yet.
CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    user         TEXT    NOT NULL
);
