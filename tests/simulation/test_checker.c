/* SPDX-License-Identifier: Apache-2.0 */
/* The checker finds nothing in a clean history, and finds each kind of fault that is planted. */
#include "checker.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

#define MESSAGES 4 /* of ann to bob, as c 2 to c 5; c 1 created it */

/* What went wrong; everything else is as it should be. */
enum fault {
    FAULT_NONE,
    FAULT_DROPPED_ACK,    /* acked, not stored */
    FAULT_WRONG_SEQ,      /* acked as another than it is */
    FAULT_TWO_FATES,      /* the fate was told twice */
    FAULT_NO_FATE,        /* ... never */
    FAULT_STORED_TWICE,   /* a retry was stored again */
    FAULT_HOLE_IN_LOG,    /* a seq is missing in the store */
    FAULT_INVENTED,       /* stored, never sent */
    FAULT_OTHER_BODY,     /* stored otherwise than sent */
    FAULT_STORED_REVERSE, /* the store turned two of a sender around */
    FAULT_SEEN_TWICE,     /* a subscriber saw one again */
    FAULT_SEEN_REVERSE,   /* ... two the wrong way round */
    FAULT_SEEN_HOLE,      /* ... not the one in the middle */
    FAULT_LOST_AT_END,    /* ... not the last */
    FAULT_SEEN_OTHER,     /* ... another body than is stored */
    FAULT_SEEN_GHOST,     /* ... one that is not stored at all */
    FAULT_SEEN_AFTER_END, /* ... one after its end */
    FAULT_NOT_FOLLOWED,   /* ... one of a conversation that it does not follow */
    FAULT_CAUGHT_UP,      /* told to be live before everything came */
    FAULT_TRUNCATED,      /* told of a truncation that never was */
    FAULT_REMOVED,        /* told of a removal that never was */
    FAULT_NOT_TOLD,       /* removed, and not told */
    FAULTS
};

static const char *const sentences[FAULTS] = {
    [FAULT_DROPPED_ACK] = "was acked as 3 and is not stored",
    [FAULT_WRONG_SEQ] = "was acked as 9 and is stored as 3",
    [FAULT_TWO_FATES] = "was told 2 times",
    [FAULT_NO_FATE] = "was never told",
    [FAULT_STORED_TWICE] = "is stored already",
    [FAULT_HOLE_IN_LOG] = "event 3 of the log has seq 4",
    [FAULT_INVENTED] = "never sent it",
    [FAULT_OTHER_BODY] = "was sent with another body",
    [FAULT_STORED_REVERSE] = "it is stored behind it",
    [FAULT_SEEN_TWICE] = "came again",
    [FAULT_SEEN_REVERSE] = "a hole in c, 4 came and 3 was next",
    [FAULT_SEEN_HOLE] = "a hole in c, 4 came and 3 was next",
    [FAULT_LOST_AT_END] = "has seen c up to 4, and there are 5",
    [FAULT_SEEN_OTHER] = "was never stored so",
    [FAULT_SEEN_GHOST] = "was never stored so",
    [FAULT_SEEN_AFTER_END] = "after its end",
    [FAULT_NOT_FOLLOWED] = "which it does not follow",
    [FAULT_CAUGHT_UP] = "caught up with c at 5, having seen 4",
    [FAULT_TRUNCATED] = "is said to begin at 3",
    [FAULT_REMOVED] = "told to be removed from c, and never was",
    [FAULT_NOT_TOLD] = "is no member of c, and was not told",
};

static void name_message(char *id, char *body, int64_t seq)
{
    (void)snprintf(id, 16, "m%lld", (long long)seq);
    (void)snprintf(body, 16, "body %lld", (long long)seq);
}

static void store(struct checker *checker, int64_t seq, int64_t message)
{
    char id[16];
    char body[16];
    name_message(id, body, message);
    checker_store(checker, "c", seq, CHECKER_MESSAGE, "ann", id, body);
}

static void write_store(struct checker *checker, enum fault fault)
{
    checker_store(checker, "c", 1, CHECKER_JOINED, "ann", "", "ann bob");
    for (int64_t seq = 2; seq < 2 + MESSAGES; seq++) {
        if (seq == 3 && (fault == FAULT_DROPPED_ACK || fault == FAULT_HOLE_IN_LOG)) {
            continue;
        }
        if (seq == 3 && fault == FAULT_OTHER_BODY) {
            checker_store(checker, "c", 3, CHECKER_MESSAGE, "ann", "m3", "another");
        } else if (fault == FAULT_STORED_REVERSE && (seq == 3 || seq == 4)) {
            store(checker, seq, 7 - seq);
        } else {
            store(checker, seq, seq);
        }
    }
    if (fault == FAULT_STORED_TWICE) {
        store(checker, 6, 3);
    } else if (fault == FAULT_INVENTED) {
        checker_store(checker, "c", 6, CHECKER_MESSAGE, "bob", "mx", "out of nothing");
    } else if (fault == FAULT_NOT_TOLD) {
        checker_store(checker, "c", 6, CHECKER_LEFT, "ann", "", "bob");
    }
}

static void write_sender(struct checker *checker, enum fault fault)
{
    char id[16];
    char body[16];
    for (int64_t seq = 2; seq < 2 + MESSAGES; seq++) {
        bool is_struck = seq == 3;
        name_message(id, body, seq);
        checker_sent(checker, "ann", "c", id, body);
        if (is_struck && fault == FAULT_NO_FATE) {
            continue;
        }
        bool is_turned = fault == FAULT_STORED_REVERSE && (seq == 3 || seq == 4);
        int64_t told = is_turned ? 7 - seq : seq;
        checker_fate(checker, "ann", "c", id, is_struck && fault == FAULT_WRONG_SEQ ? 9 : told);
        if (is_struck && fault == FAULT_TWO_FATES) {
            checker_fate(checker, "ann", "c", id, 0);
        }
    }
}

static void see(struct checker *checker, int64_t seq, int64_t message)
{
    char id[16];
    char body[16];
    name_message(id, body, message);
    checker_event(checker, 7, "c", seq, id, body);
}

static void write_subscriber(struct checker *checker, enum fault fault)
{
    static const int64_t straight[] = {2, 3, 4, 5};
    static const int64_t turned[] = {2, 4, 3, 5};
    const int64_t *order = fault == FAULT_SEEN_REVERSE ? turned : straight;
    checker_follows(checker, 7, "bob", "c", 0);
    checker_event(checker, 7, "c", 1, "", "ann bob");
    for (size_t i = 0; i < MESSAGES; i++) {
        int64_t seq = order[i];
        bool is_struck = seq == 3;
        if ((is_struck && fault == FAULT_SEEN_HOLE) ||
            (seq == 5 && (fault == FAULT_LOST_AT_END || fault == FAULT_CAUGHT_UP))) {
            continue;
        }
        see(checker, seq, is_struck && fault == FAULT_SEEN_OTHER ? 4 : seq);
        if (is_struck && fault == FAULT_SEEN_TWICE) {
            see(checker, seq, seq);
        }
    }
    switch (fault) {
    case FAULT_SEEN_GHOST:
        see(checker, 6, 6);
        break;
    case FAULT_SEEN_AFTER_END:
        checker_ended(checker, 7);
        see(checker, 5, 5);
        break;
    case FAULT_NOT_FOLLOWED:
        checker_event(checker, 7, "d", 1, "", "ann");
        break;
    case FAULT_TRUNCATED:
        checker_truncated(checker, 7, "c", 3);
        break;
    case FAULT_REMOVED:
        checker_removed(checker, 7, "c");
        break;
    case FAULT_NOT_TOLD:
        checker_event(checker, 7, "c", 6, "", "bob");
        break;
    case FAULT_LOST_AT_END:
        checker_caught_up(checker, 7, "c", 4);
        break;
    default:
        checker_caught_up(checker, 7, "c", 5);
    }
}

struct findings {
    size_t count;
    char all[4096];
};

static void note(void *context, const char *text)
{
    struct findings *findings = context;
    size_t len = strlen(findings->all);
    findings->count++;
    (void)snprintf(findings->all + len, sizeof(findings->all) - len, "%s\n", text);
}

static void judge(enum fault fault, struct findings *findings)
{
    struct checker *checker = checker_new();
    *findings = (struct findings){0};
    write_sender(checker, fault);
    write_subscriber(checker, fault);
    write_store(checker, fault);
    checker_expect_all(checker);
    checker_expect_order(checker);
    size_t count = checker_run(checker, note, findings);
    checker_free(checker);
    assert_int_equal(count, findings->count);
}

static void test_a_clean_history_passes(void **state)
{
    (void)state;
    struct findings findings;
    judge(FAULT_NONE, &findings);
    assert_string_equal(findings.all, "");
}

static void test_every_planted_fault_is_found(void **state)
{
    (void)state;
    for (enum fault fault = FAULT_NONE + 1; fault < FAULTS; fault++) {
        struct findings findings;
        judge(fault, &findings);
        if (strstr(findings.all, sentences[fault]) == NULL) {
            fail_msg("fault %d: \"%s\" was not found, only: %s", (int)fault, sentences[fault],
                     findings.all);
        }
    }
}

static void test_what_was_told_of_retention_and_removal_is_no_fault(void **state)
{
    (void)state;
    struct findings findings = {0};
    struct checker *checker = checker_new();
    write_sender(checker, FAULT_NONE);
    write_store(checker, FAULT_NONE);
    checker_store(checker, "c", 6, CHECKER_LEFT, "ann", "", "bob");
    checker_store(checker, "c", 7, CHECKER_JOINED, "ann", "", "bob");
    checker_trimmed(checker, "c", 4);
    checker_follows(checker, 7, "bob", "c", 0);
    checker_follows(checker, 7, "bob", NULL, 0);
    checker_truncated(checker, 7, "c", 4);
    see(checker, 4, 4);
    checker_removed(checker, 7, "c");
    checker_event(checker, 7, "c", 7, "", "bob");
    checker_caught_up(checker, 7, "c", 7);
    checker_expect_all(checker);
    (void)checker_run(checker, note, &findings);
    checker_free(checker);
    assert_string_equal(findings.all, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_history_passes),
        cmocka_unit_test(test_every_planted_fault_is_found),
        cmocka_unit_test(test_what_was_told_of_retention_and_removal_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
