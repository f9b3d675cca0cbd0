/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that somebody waits for; see ask.h. */
#include "ask.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/list.h"
#include "support/check.h"
#include "support/wait.h"

#include <string.h>

struct store_bytes bytes_of(const char *text)
{
    return (struct store_bytes){text, text == NULL ? 0 : strlen(text)};
}

bool bytes_equal(struct store_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

/* One lock for all asks: whoever waits may free its ask as soon as it sees that it is done. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_changed(void)
{
    pl_cond_init(&changed);
}

static void on_done(struct store_request *request)
{
    struct ask *ask = PL_CONTAINER_OF(request, struct ask, request);
    if (ask->then != NULL) {
        ask->then(ask);
    }
    (void)pthread_mutex_lock(&mutex);
    ask->was_inside = pthread_equal(pthread_self(), ask->submitter) != 0;
    ask->done_count++;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&mutex);
}

void ask_init(struct ask *ask)
{
    memset(ask, 0, sizeof(*ask));
    ask->request.done = on_done;
    ask->submitter = pthread_self();
    (void)pthread_once(&once, init_changed);
}

void ask_append(struct ask *ask, struct store *store, const char *conversation, const char *sender,
                const char *client_message_id, struct store_bytes body)
{
    ask_init(ask);
    ask->append.conversation_id = bytes_of(conversation);
    ask->append.sender = bytes_of(sender);
    ask->append.client_message_id = bytes_of(client_message_id);
    ask->append.content_type = bytes_of("text/plain");
    ask->append.body = body;
    store_append(store, &ask->append);
}

void ask_create(struct ask *ask, struct store *store, const char *conversation, const char *creator,
                const struct store_bytes *members, size_t count)
{
    ask_init(ask);
    ask->create.conversation_id = bytes_of(conversation);
    ask->create.title = bytes_of("A title");
    ask->create.creator = bytes_of(creator);
    ask->create.members = members;
    ask->create.member_count = count;
    store_create(store, &ask->create);
}

void ask_change(struct ask *ask, struct store *store, enum store_kind kind,
                const char *conversation, const char *actor, const struct store_bytes *users,
                size_t count)
{
    ask_init(ask);
    ask->change.kind = kind;
    ask->change.conversation_id = bytes_of(conversation);
    ask->change.actor = bytes_of(actor);
    ask->change.users = users;
    ask->change.user_count = count;
    ask->change.role = kind == STORE_MEMBERS_ADDED ? STORE_ROLE_MEMBER : STORE_ROLE_NONE;
    store_change_members(store, &ask->change);
}

bool ask_wait(struct ask *ask)
{
    int64_t deadline_ns = pl_clock_deadline_ns(WAIT_MS);
    bool is_time_left = true;
    (void)pthread_mutex_lock(&mutex);
    while (ask->done_count == 0 && is_time_left) {
        is_time_left = pl_cond_wait_until(&changed, &mutex, deadline_ns);
    }
    bool is_done = ask->done_count > 0;
    (void)pthread_mutex_unlock(&mutex);
    return is_done;
}

unsigned ask_done_count(struct ask *ask)
{
    (void)pthread_mutex_lock(&mutex);
    unsigned count = ask->done_count;
    (void)pthread_mutex_unlock(&mutex);
    return count;
}

enum parley_code ask_code(struct ask *ask)
{
    assert_true(ask_wait(ask));
    assert_int_equal(ask_done_count(ask), 1);
    assert_false(ask->was_inside);
    return ask->request.error.code;
}

void ask_release(struct ask *ask)
{
    store_request_release(&ask->request);
}
