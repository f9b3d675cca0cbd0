/* SPDX-License-Identifier: Apache-2.0 */
/* Entries as bytes: what was put in comes out, and what is no entry is refused. */
#include "cache/entry.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

static struct store_bytes text(const char *chars)
{
    return (struct store_bytes){chars, strlen(chars)};
}

static void expect_text(struct store_bytes bytes, const char *chars)
{
    assert_int_equal(bytes.len, strlen(chars));
    assert_memory_equal(bytes.data, chars, bytes.len);
}

static size_t make_events(struct store_event *events, int64_t first_seq, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        events[i] = (struct store_event){
            .seq = first_seq + (int64_t)i,
            .created_at_ms = 1000 + (int64_t)i,
            .ordinal = (int64_t)i,
            .kind = i == 0 ? STORE_MEMBERS_CREATED : STORE_MESSAGE,
            .role = i == 0 ? STORE_ROLE_MEMBER : STORE_ROLE_NONE,
            .sender = text("alice"),
            .client_message_id = text(i == 0 ? "" : "an-id"),
            .content_type = text(i == 0 ? "" : "text/plain"),
            .body = i == 0 ? (struct store_bytes){"a\0b\0", 4} : text("hello"),
        };
    }
    return count;
}

static struct pl_buf *make_tail(int64_t expires_at_ms)
{
    struct store_event events[3];
    const struct cache_tail tail = {
        .head_seq = 7, .first_seq = 2, .event_count = make_events(events, 5, 3), .events = events};
    struct pl_buf *buf = cache_encode_tail(&tail, expires_at_ms);
    assert_non_null(buf);
    return buf;
}

static void test_a_tail_comes_back(void **state)
{
    struct store_event events[CACHE_BLOCK_EVENTS];
    struct cache_tail tail;
    struct cache_entry entry;
    struct pl_buf *buf = make_tail(2000);
    (void)state;
    assert_true(cache_decode(buf, CACHE_TAIL, 1999, &entry));
    assert_int_equal(cache_expiry(buf), 2000);
    assert_true(cache_decode_tail(&entry, &tail, events));
    assert_int_equal(tail.head_seq, 7);
    assert_int_equal(tail.first_seq, 2);
    assert_int_equal(tail.event_count, 3);
    assert_int_equal(events[0].seq, 5);
    assert_int_equal(events[0].kind, STORE_MEMBERS_CREATED);
    assert_int_equal(events[0].role, STORE_ROLE_MEMBER);
    assert_int_equal(events[0].body.len, 4);
    assert_int_equal(events[2].ordinal, 2);
    assert_int_equal(events[2].created_at_ms, 1002);
    expect_text(events[2].sender, "alice");
    expect_text(events[2].client_message_id, "an-id");
    expect_text(events[2].content_type, "text/plain");
    expect_text(events[2].body, "hello");
    pl_buf_unref(buf);
}

static void test_a_conversation_comes_back(void **state)
{
    const struct store_conversation in = {.title = text("Tea \xf0\x9f\x8d\xb5"),
                                          .created_by = text("alice"),
                                          .created_at_ms = INT64_MAX,
                                          .head_seq = 3,
                                          .ordinal = 2,
                                          .member_count = 1000000,
                                          .retention = {-1, INT64_MAX}};
    struct store_conversation out;
    struct cache_entry entry;
    struct pl_buf *buf = cache_encode_conversation(&in, 10);
    (void)state;
    assert_true(cache_decode(buf, CACHE_CONVERSATION, 0, &entry));
    assert_true(cache_decode_conversation(&entry, &out));
    assert_int_equal(out.created_at_ms, INT64_MAX);
    assert_int_equal(out.head_seq, 3);
    assert_int_equal(out.ordinal, 2);
    assert_int_equal(out.member_count, 1000000);
    expect_text(out.title, "Tea \xf0\x9f\x8d\xb5");
    expect_text(out.created_by, "alice");
    assert_int_equal(out.retention.age_ms, -1);
    assert_int_equal(out.retention.messages, INT64_MAX);
    /* As a version wrote it that knew no retention. */
    entry.body_len -= 2 * sizeof(int64_t);
    assert_false(cache_decode_conversation(&entry, &out));
    pl_buf_unref(buf);
}

static void test_a_role_comes_back_with_its_epoch(void **state)
{
    struct cache_entry entry;
    enum store_role role = STORE_ROLE_NONE;
    struct pl_buf *buf = cache_encode_role(STORE_ROLE_OWNER, 10, UINT64_MAX - 1);
    (void)state;
    assert_true(cache_decode(buf, CACHE_MEMBER, 0, &entry));
    assert_true(cache_decode_role(&entry, &role));
    assert_int_equal(role, STORE_ROLE_OWNER);
    assert_true(entry.stamp == UINT64_MAX - 1);
    pl_buf_unref(buf);
}

static void test_what_is_too_old_or_of_another_kind_is_no_entry(void **state)
{
    struct cache_entry entry;
    struct pl_buf *buf = make_tail(2000);
    (void)state;
    assert_false(cache_decode(buf, CACHE_TAIL, 2000, &entry));
    assert_false(cache_decode(buf, CACHE_BLOCK, 0, &entry));
    assert_false(cache_decode(NULL, CACHE_TAIL, 0, &entry));
    buf->data[1]++; /* another schema */
    assert_false(cache_decode(buf, CACHE_TAIL, 0, &entry));
    pl_buf_unref(buf);
}

/* A marker and a bare form have no body to decode. */
static void test_bare_forms_have_no_value(void **state)
{
    static const enum cache_form forms[] = {CACHE_NONE, CACHE_LARGE, CACHE_MARKER};
    struct store_event events[CACHE_BLOCK_EVENTS];
    struct cache_tail tail;
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct cache_entry entry;
        struct pl_buf *buf = cache_encode_bare(CACHE_TAIL, forms[i], 10, 42);
        assert_true(cache_decode(buf, CACHE_TAIL, 0, &entry));
        assert_int_equal(entry.form, forms[i]);
        assert_int_equal(entry.stamp, 42);
        assert_false(cache_decode_tail(&entry, &tail, events));
        pl_buf_unref(buf);
    }
}

/* Somebody else's memory: no cut and no changed byte may lead outside of it. */
static void test_damage_is_refused_or_harmless(void **state)
{
    struct store_event events[CACHE_BLOCK_EVENTS];
    struct cache_tail tail;
    struct cache_entry entry;
    struct pl_buf *whole = make_tail(2000);
    (void)state;
    for (size_t len = 0; len < whole->len; len++) {
        struct pl_buf *cut = pl_buf_copy(whole->data, len);
        assert_non_null(cut);
        assert_false(cache_decode(cut, CACHE_TAIL, 0, &entry));
        pl_buf_unref(cut);
    }
    for (size_t i = 0; i < whole->len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct pl_buf *bent = pl_buf_copy(whole->data, whole->len);
            assert_non_null(bent);
            bent->data[i] ^= (uint8_t)(1U << bit);
            if (cache_decode(bent, CACHE_TAIL, 0, &entry) &&
                cache_decode_tail(&entry, &tail, events)) {
                assert_true(tail.event_count <= CACHE_BLOCK_EVENTS);
            }
            pl_buf_unref(bent);
        }
    }
    pl_buf_unref(whole);
}

static void test_a_block_ends_where_blocks_end(void **state)
{
    struct store_event events[CACHE_BLOCK_EVENTS];
    struct cache_entry entry;
    (void)state;
    for (int64_t first_seq = 129; first_seq <= 130; first_seq++) {
        size_t count = make_events(events, first_seq, CACHE_BLOCK_EVENTS);
        struct pl_buf *buf = cache_encode_block(events, count, 10);
        assert_true(cache_decode(buf, CACHE_BLOCK, 0, &entry));
        assert_int_equal(cache_decode_block(&entry, events, &count), first_seq == 129);
        pl_buf_unref(buf);
    }
}

static void test_different_things_have_different_keys(void **state)
{
    static const struct {
        enum cache_kind kind;
        const char *conversation;
        const char *user;
        int64_t block;
        const char *key;
    } rows[] = {
        {CACHE_CONVERSATION, "c1", "bob", 5, "p/1/c/c1/"},
        {CACHE_TAIL, "c1", "", 0, "p/1/t/c1/"},
        {CACHE_EPOCH, "c1", "bob", 0, "p/1/e/c1/"},
        {CACHE_MEMBER, "c1", "bob", 0, "p/1/m/c1/bob"},
        {CACHE_BLOCK, "c1", "bob", 12, "p/1/b/c1/12"},
    };
    struct cache_key key;
    char longest[65];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cache_key_make(&key, "p", rows[i].kind, text(rows[i].conversation), text(rows[i].user),
                       rows[i].block);
        assert_string_equal(key.text, rows[i].key);
        assert_int_equal(key.len, strlen(rows[i].key));
    }
    memset(longest, 'x', 64);
    longest[64] = '\0';
    cache_key_make(&key, "prefix-of-thirty-two-characters-", CACHE_MEMBER, text(longest),
                   text(longest), 0);
    assert_int_equal(key.len, 32 + 5 + 64 + 1 + 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tail_comes_back),
        cmocka_unit_test(test_a_conversation_comes_back),
        cmocka_unit_test(test_a_role_comes_back_with_its_epoch),
        cmocka_unit_test(test_what_is_too_old_or_of_another_kind_is_no_entry),
        cmocka_unit_test(test_bare_forms_have_no_value),
        cmocka_unit_test(test_damage_is_refused_or_harmless),
        cmocka_unit_test(test_a_block_ends_where_blocks_end),
        cmocka_unit_test(test_different_things_have_different_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
