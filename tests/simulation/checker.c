/* SPDX-License-Identifier: Apache-2.0 */
/* The judge; see checker.h. Everything is only written down until the verdict, since what is
 * stored may be read last. */
#include "checker.h"

#include "base/attr.h"
#include "base/map.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 512

enum telling_kind {
    TELLING_FOLLOWS,
    TELLING_EVENT,
    TELLING_CAUGHT_UP,
    TELLING_TRUNCATED,
    TELLING_REMOVED,
    TELLING_ENDED
};

struct telling {
    enum telling_kind kind;
    unsigned subscription;
    int64_t seq;
    char *user;         /* FOLLOWS */
    char *conversation; /* NULL: all */
    char *message_id;
    char *text;
};

struct stored {
    int64_t seq;
    enum checker_kind kind;
    char *sender;
    char *message_id;
    char *text;
};

struct log {
    char *conversation;
    struct stored *events;
    size_t count;
    int64_t trimmed_to; /* first_seq at most */
};

struct send {
    char *user;
    char *conversation;
    char *message_id;
    char *body;
    size_t number; /* in the order of acceptance */
    size_t fates;
    int64_t acked_seq; /* 0: not acked */
    int64_t stored_seq;
    size_t stored;
};

/* One conversation of one subscription, while the history is played. */
struct place {
    struct log *log; /* NULL: nothing is stored of it */
    char *conversation;
    int64_t next_seq; /* 0: unknown until something comes */
    bool is_removed;
};

struct follower {
    unsigned number;
    char *user;
    bool follows_all;
    bool is_ended;
    struct place **places;
    size_t place_count;
};

struct checker {
    struct pl_map *logs;  /* conversation -> struct log */
    struct pl_map *sends; /* user, conversation, id -> struct send */
    struct send **sends_in_order;
    size_t send_count;
    struct telling *tellings;
    size_t telling_count;
    struct follower **followers;
    size_t follower_count;
    bool expects_all;
    bool expects_order;
    size_t findings;
    void (*report)(void *context, const char *text);
    void *context;
};

/* ---- memory ---- */

static void *need(void *memory)
{
    if (memory == NULL) {
        (void)fputs("checker: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : need(strdup(text));
}

/* Room for one more in an array that doubles. */
static void *grow(void *array, size_t count, size_t size)
{
    bool is_full = (count & (count - 1)) == 0; /* 0, 1, 2, 4, ... */
    return is_full ? need(realloc(array, (count == 0 ? 1 : count * 2) * size)) : array;
}

static size_t make_key(char *key, const char *user, const char *conversation, const char *id)
{
    int len = snprintf(key, KEY_MAX, "%s %s %s", user, conversation, id);
    need(len > 0 && len < KEY_MAX ? key : NULL);
    return (size_t)len;
}

/* ---- what is stored ---- */

static struct log *find_log(const struct checker *checker, const char *conversation)
{
    return pl_map_find(checker->logs, conversation, strlen(conversation));
}

static struct log *want_log(struct checker *checker, const char *conversation)
{
    struct log *log = find_log(checker, conversation);
    if (log == NULL) {
        log = need(calloc(1, sizeof(*log)));
        log->conversation = copy(conversation);
        log->trimmed_to = 1;
        need(pl_map_put(checker->logs, conversation, strlen(conversation), log, NULL) == 0 ? log
                                                                                           : NULL);
    }
    return log;
}

void checker_store(struct checker *checker, const char *conversation, int64_t seq,
                   enum checker_kind kind, const char *sender, const char *message_id,
                   const char *body_or_names)
{
    struct log *log = want_log(checker, conversation);
    log->events = grow(log->events, log->count, sizeof(*log->events));
    log->events[log->count++] = (struct stored){.seq = seq,
                                                .kind = kind,
                                                .sender = copy(sender),
                                                .message_id = copy(message_id),
                                                .text = copy(body_or_names)};
}

void checker_trimmed(struct checker *checker, const char *conversation, int64_t first_seq)
{
    struct log *log = want_log(checker, conversation);
    log->trimmed_to = first_seq > log->trimmed_to ? first_seq : log->trimmed_to;
}

/* ---- what clients did and were told ---- */

static struct send *find_send(const struct checker *checker, const char *user,
                              const char *conversation, const char *message_id)
{
    char key[KEY_MAX];
    size_t len = make_key(key, user, conversation, message_id);
    return pl_map_find(checker->sends, key, len);
}

void checker_sent(struct checker *checker, const char *user, const char *conversation,
                  const char *message_id, const char *body)
{
    char key[KEY_MAX];
    size_t len = make_key(key, user, conversation, message_id);
    struct send *send = need(calloc(1, sizeof(*send)));
    *send = (struct send){.user = copy(user),
                          .conversation = copy(conversation),
                          .message_id = copy(message_id),
                          .body = copy(body),
                          .number = checker->send_count};
    checker->sends_in_order =
        grow(checker->sends_in_order, checker->send_count, sizeof(struct send *));
    checker->sends_in_order[checker->send_count++] = send;
    need(pl_map_put(checker->sends, key, len, send, NULL) == 0 ? send : NULL);
}

void checker_fate(struct checker *checker, const char *user, const char *conversation,
                  const char *message_id, int64_t seq)
{
    struct send *send = find_send(checker, user, conversation, message_id);
    if (send == NULL) {
        checker_sent(checker, user, conversation, message_id, "(told a fate, and never sent)");
        send = find_send(checker, user, conversation, message_id);
        send->fates++; /* one too many */
    }
    send->fates++;
    send->acked_seq = seq > 0 ? seq : send->acked_seq;
}

static void tell(struct checker *checker, struct telling telling)
{
    telling.user = copy(telling.user);
    telling.conversation = copy(telling.conversation);
    telling.message_id = copy(telling.message_id);
    telling.text = copy(telling.text);
    checker->tellings = grow(checker->tellings, checker->telling_count, sizeof(*checker->tellings));
    checker->tellings[checker->telling_count++] = telling;
}

/* They are copied at once. */
static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

void checker_follows(struct checker *checker, unsigned subscription, const char *user,
                     const char *conversation, int64_t after_seq)
{
    tell(checker, (struct telling){.kind = TELLING_FOLLOWS,
                                   .subscription = subscription,
                                   .user = borrow(user),
                                   .conversation = borrow(conversation),
                                   .seq = after_seq});
}

void checker_event(struct checker *checker, unsigned subscription, const char *conversation,
                   int64_t seq, const char *message_id, const char *body_or_names)
{
    tell(checker, (struct telling){.kind = TELLING_EVENT,
                                   .subscription = subscription,
                                   .conversation = borrow(conversation),
                                   .seq = seq,
                                   .message_id = borrow(message_id),
                                   .text = borrow(body_or_names)});
}

static void tell_short(struct checker *checker, enum telling_kind kind, unsigned subscription,
                       const char *conversation, int64_t seq)
{
    tell(checker, (struct telling){.kind = kind,
                                   .subscription = subscription,
                                   .conversation = borrow(conversation),
                                   .seq = seq});
}

void checker_caught_up(struct checker *checker, unsigned subscription, const char *conversation,
                       int64_t seq)
{
    tell_short(checker, TELLING_CAUGHT_UP, subscription, conversation, seq);
}

void checker_truncated(struct checker *checker, unsigned subscription, const char *conversation,
                       int64_t first_seq)
{
    tell_short(checker, TELLING_TRUNCATED, subscription, conversation, first_seq);
}

void checker_removed(struct checker *checker, unsigned subscription, const char *conversation)
{
    tell_short(checker, TELLING_REMOVED, subscription, conversation, 0);
}

void checker_ended(struct checker *checker, unsigned subscription)
{
    tell_short(checker, TELLING_ENDED, subscription, NULL, 0);
}

/* ---- the verdict ---- */

static void find(struct checker *checker, const char *format, ...) PL_PRINTF(2, 3);

static void find(struct checker *checker, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    checker->findings++;
    checker->report(checker->context, text);
}

/* ---- logs and sends ---- */

static void check_message(struct checker *checker, const struct log *log,
                          const struct stored *event)
{
    struct send *send = find_send(checker, event->sender, log->conversation, event->message_id);
    if (send == NULL) {
        find(checker, "%s %lld: %s is stored and %s never sent it", log->conversation,
             (long long)event->seq, event->message_id, event->sender);
        return;
    }
    if (strcmp(send->body, event->text) != 0) {
        find(checker, "%s %lld: %s was sent with another body", log->conversation,
             (long long)event->seq, event->message_id);
    }
    if (send->stored++ > 0) {
        find(checker, "%s %lld: %s of %s is stored already, as %lld", log->conversation,
             (long long)event->seq, event->message_id, event->sender, (long long)send->stored_seq);
        return;
    }
    send->stored_seq = event->seq;
}

static void check_log(struct checker *checker, const struct log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct stored *event = &log->events[i];
        if (event->seq != (int64_t)i + 1) {
            find(checker, "%s: event %zu of the log has seq %lld", log->conversation, i + 1,
                 (long long)event->seq);
        }
        if (event->kind == CHECKER_MESSAGE) {
            check_message(checker, log, event);
        }
    }
}

static void check_send(struct checker *checker, const struct send *send)
{
    if (send->fates > 1) {
        find(checker, "%s: the fate of %s to %s was told %zu times", send->user, send->message_id,
             send->conversation, send->fates);
    }
    if (send->fates == 0 && checker->expects_all) {
        find(checker, "%s: the fate of %s to %s was never told", send->user, send->message_id,
             send->conversation);
    }
    if (send->acked_seq > 0 && send->stored == 0) {
        find(checker, "%s: %s to %s was acked as %lld and is not stored", send->user,
             send->message_id, send->conversation, (long long)send->acked_seq);
    } else if (send->acked_seq > 0 && send->acked_seq != send->stored_seq) {
        find(checker, "%s: %s to %s was acked as %lld and is stored as %lld", send->user,
             send->message_id, send->conversation, (long long)send->acked_seq,
             (long long)send->stored_seq);
    }
}

/* In each conversation, of those that were acked, the ones that a user sent later lie behind. */
static void check_order(struct checker *checker, const struct log *log)
{
    struct pl_map *latest = need(pl_map_new()); /* sender -> struct send */
    for (size_t i = 0; i < log->count; i++) {
        const struct stored *event = &log->events[i];
        struct send *send =
            event->kind == CHECKER_MESSAGE
                ? find_send(checker, event->sender, log->conversation, event->message_id)
                : NULL;
        void *old = NULL;
        if (send == NULL || send->stored_seq != event->seq || send->acked_seq == 0) {
            continue;
        }
        need(pl_map_put(latest, send->user, strlen(send->user), send, &old) == 0 ? send : NULL);
        const struct send *before = old;
        if (before != NULL && before->number > send->number) {
            find(checker, "%s: %s sent %s before %s, and it is stored behind it as %lld",
                 log->conversation, send->user, send->message_id, before->message_id,
                 (long long)event->seq);
        }
    }
    pl_map_free(latest, NULL);
}

/* ---- followers ---- */

static struct follower *find_follower(const struct checker *checker, unsigned number)
{
    for (size_t i = checker->follower_count; i > 0; i--) {
        if (checker->followers[i - 1]->number == number) {
            return checker->followers[i - 1];
        }
    }
    return NULL;
}

static struct follower *want_follower(struct checker *checker, unsigned number, const char *user)
{
    struct follower *follower = find_follower(checker, number);
    if (follower == NULL) {
        follower = need(calloc(1, sizeof(*follower)));
        follower->number = number;
        follower->user = copy(user);
        checker->followers =
            grow(checker->followers, checker->follower_count, sizeof(struct follower *));
        checker->followers[checker->follower_count++] = follower;
    }
    return follower;
}

static struct place *find_place(const struct follower *follower, const char *conversation)
{
    for (size_t i = 0; i < follower->place_count; i++) {
        if (strcmp(follower->places[i]->conversation, conversation) == 0) {
            return follower->places[i];
        }
    }
    return NULL;
}

static struct place *want_place(struct checker *checker, struct follower *follower,
                                const char *conversation)
{
    struct place *place = find_place(follower, conversation);
    if (place == NULL) {
        place = need(calloc(1, sizeof(*place)));
        place->conversation = copy(conversation);
        place->log = find_log(checker, conversation);
        follower->places = grow(follower->places, follower->place_count, sizeof(struct place *));
        follower->places[follower->place_count++] = place;
    }
    return place;
}

static bool names(const char *list, const char *user)
{
    size_t len = strlen(user);
    for (const char *at = strstr(list, user); at != NULL; at = strstr(at + 1, user)) {
        if ((at == list || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' ')) {
            return true;
        }
    }
    return false;
}

/* Where the last change of members that names the user lies, and whether it brought them in. */
static int64_t last_change(const struct log *log, const char *user, bool *is_member)
{
    *is_member = false;
    for (size_t i = log->count; i > 0; i--) {
        const struct stored *event = &log->events[i - 1];
        if (event->kind != CHECKER_MESSAGE && names(event->text, user)) {
            *is_member = event->kind == CHECKER_JOINED;
            return event->seq;
        }
    }
    return 0;
}

/* Whether there was a time when the user was no member: before joining, or after leaving. */
static bool was_ever_outside(const struct log *log, const char *user)
{
    bool is_member = false;
    for (size_t i = 0; i < log->count; i++) {
        const struct stored *event = &log->events[i];
        if (event->kind != CHECKER_MESSAGE && names(event->text, user)) {
            is_member = event->kind == CHECKER_JOINED;
        }
        if (!is_member) {
            return true;
        }
    }
    return false;
}

static void check_content(struct checker *checker, const struct place *place,
                          const struct telling *telling)
{
    const struct stored *event =
        place->log != NULL && telling->seq >= 1 && telling->seq <= (int64_t)place->log->count
            ? &place->log->events[telling->seq - 1]
            : NULL;
    if (event == NULL || strcmp(event->message_id, telling->message_id) != 0 ||
        strcmp(event->text, telling->text) != 0) {
        find(checker, "subscription %u: saw %s %lld \"%s\", which was never stored so",
             telling->subscription, telling->conversation, (long long)telling->seq, telling->text);
    }
}

static void play_event(struct checker *checker, struct place *place, const struct telling *telling)
{
    int64_t expected = place->next_seq;
    if (place->is_removed && telling->seq >= expected) {
        expected = 0; /* back again */
    }
    place->is_removed = false;
    if (expected != 0 && telling->seq < expected) {
        find(checker, "subscription %u: %s %lld came again, %lld was next", telling->subscription,
             telling->conversation, (long long)telling->seq, (long long)expected);
        return;
    }
    if (expected != 0 && telling->seq > expected) {
        find(checker, "subscription %u: a hole in %s, %lld came and %lld was next",
             telling->subscription, telling->conversation, (long long)telling->seq,
             (long long)expected);
    }
    check_content(checker, place, telling);
    place->next_seq = telling->seq + 1;
}

static void play_caught_up(struct checker *checker, struct place *place,
                           const struct telling *telling)
{
    bool is_new = place->next_seq == 0 || place->is_removed;
    if (!is_new && telling->seq != place->next_seq - 1) {
        find(checker, "subscription %u: caught up with %s at %lld, having seen %lld",
             telling->subscription, telling->conversation, (long long)telling->seq,
             (long long)(place->next_seq - 1));
    }
    if (is_new) {
        place->next_seq = telling->seq + 1;
    }
    place->is_removed = false;
}

static void play_truncated(struct checker *checker, struct place *place,
                           const struct telling *telling)
{
    if (place->log == NULL || telling->seq > place->log->trimmed_to) {
        find(checker, "subscription %u: %s is said to begin at %lld, and all after %lld is there",
             telling->subscription, telling->conversation, (long long)telling->seq,
             place->log == NULL ? 0LL : (long long)place->log->trimmed_to);
    }
    if (place->next_seq != 0 && telling->seq > place->next_seq) {
        place->next_seq = telling->seq;
    }
}

static void play_removed(struct checker *checker, const struct follower *follower,
                         struct place *place)
{
    if (place->log != NULL && !was_ever_outside(place->log, follower->user)) {
        find(checker, "subscription %u: %s was told to be removed from %s, and never was",
             follower->number, follower->user, place->conversation);
    }
    place->is_removed = true;
}

static void play_follows(struct checker *checker, const struct telling *telling)
{
    struct follower *follower = want_follower(checker, telling->subscription, telling->user);
    if (telling->conversation == NULL) {
        follower->follows_all = true;
    } else {
        struct place *place = want_place(checker, follower, telling->conversation);
        place->next_seq = telling->seq + 1;
    }
}

static void play_told(struct checker *checker, struct follower *follower,
                      const struct telling *telling)
{
    struct place *place = find_place(follower, telling->conversation);
    if (place == NULL && !follower->follows_all) {
        find(checker, "subscription %u: was told of %s, which it does not follow",
             telling->subscription, telling->conversation);
        return;
    }
    if (place != NULL && place->is_removed && !follower->follows_all) {
        find(checker, "subscription %u: was told of %s after its removal", telling->subscription,
             telling->conversation);
    }
    place = want_place(checker, follower, telling->conversation);
    switch (telling->kind) {
    case TELLING_EVENT:
        play_event(checker, place, telling);
        break;
    case TELLING_CAUGHT_UP:
        play_caught_up(checker, place, telling);
        break;
    case TELLING_TRUNCATED:
        play_truncated(checker, place, telling);
        break;
    default:
        play_removed(checker, follower, place);
    }
}

static void play(struct checker *checker, const struct telling *telling)
{
    struct follower *follower = find_follower(checker, telling->subscription);
    if (telling->kind == TELLING_FOLLOWS) {
        play_follows(checker, telling);
    } else if (follower == NULL || follower->is_ended) {
        find(checker, "subscription %u: was told something before its beginning or after its end",
             telling->subscription);
    } else if (telling->kind == TELLING_ENDED) {
        follower->is_ended = true;
    } else {
        play_told(checker, follower, telling);
    }
}

static void check_end(struct checker *checker, const struct follower *follower,
                      const struct log *log)
{
    bool is_member = false;
    (void)last_change(log, follower->user, &is_member);
    const struct place *place = find_place(follower, log->conversation);
    bool is_followed = place != NULL && !place->is_removed;
    if (is_member && follower->follows_all && !is_followed) {
        find(checker, "subscription %u: %s is a member of %s, and does not hear of it",
             follower->number, follower->user, log->conversation);
    } else if (is_member && is_followed && place->next_seq != (int64_t)log->count + 1) {
        find(checker, "subscription %u: has seen %s up to %lld, and there are %zu",
             follower->number, log->conversation, (long long)(place->next_seq - 1), log->count);
    } else if (!is_member && is_followed) {
        find(checker, "subscription %u: %s is no member of %s, and was not told", follower->number,
             follower->user, log->conversation);
    }
}

static void check_ends(struct checker *checker)
{
    for (size_t i = 0; i < checker->follower_count; i++) {
        const struct follower *follower = checker->followers[i];
        size_t cursor = 0;
        for (const struct log *log = pl_map_next(checker->logs, &cursor, NULL, NULL);
             log != NULL && !follower->is_ended;
             log = pl_map_next(checker->logs, &cursor, NULL, NULL)) {
            check_end(checker, follower, log);
        }
    }
}

/* ---- the interface ---- */

void checker_expect_all(struct checker *checker)
{
    checker->expects_all = true;
}

void checker_expect_order(struct checker *checker)
{
    checker->expects_order = true;
}

size_t checker_run(struct checker *checker, void (*report)(void *context, const char *text),
                   void *context)
{
    checker->report = report;
    checker->context = context;
    size_t cursor = 0;
    for (const struct log *log = pl_map_next(checker->logs, &cursor, NULL, NULL); log != NULL;
         log = pl_map_next(checker->logs, &cursor, NULL, NULL)) {
        check_log(checker, log);
        if (checker->expects_order) {
            check_order(checker, log);
        }
    }
    for (size_t i = 0; i < checker->send_count; i++) {
        check_send(checker, checker->sends_in_order[i]);
    }
    for (size_t i = 0; i < checker->telling_count; i++) {
        play(checker, &checker->tellings[i]);
    }
    if (checker->expects_all) {
        check_ends(checker);
    }
    return checker->findings;
}

struct checker *checker_new(void)
{
    struct checker *checker = need(calloc(1, sizeof(*checker)));
    checker->logs = need(pl_map_new());
    checker->sends = need(pl_map_new());
    return checker;
}

static void free_log(void *value)
{
    struct log *log = value;
    for (size_t i = 0; i < log->count; i++) {
        free(log->events[i].sender);
        free(log->events[i].message_id);
        free(log->events[i].text);
    }
    free(log->events);
    free(log->conversation);
    free(log);
}

static void free_send(void *value)
{
    struct send *send = value;
    free(send->user);
    free(send->conversation);
    free(send->message_id);
    free(send->body);
    free(send);
}

static void free_follower(struct follower *follower)
{
    for (size_t i = 0; i < follower->place_count; i++) {
        free(follower->places[i]->conversation);
        free(follower->places[i]);
    }
    free(follower->places);
    free(follower->user);
    free(follower);
}

void checker_free(struct checker *checker)
{
    if (checker == NULL) {
        return;
    }
    for (size_t i = 0; i < checker->telling_count; i++) {
        free(checker->tellings[i].user);
        free(checker->tellings[i].conversation);
        free(checker->tellings[i].message_id);
        free(checker->tellings[i].text);
    }
    for (size_t i = 0; i < checker->follower_count; i++) {
        free_follower(checker->followers[i]);
    }
    pl_map_free(checker->logs, free_log);
    pl_map_free(checker->sends, free_send);
    free(checker->sends_in_order);
    free(checker->tellings);
    free(checker->followers);
    free(checker);
}
