/* SPDX-License-Identifier: Apache-2.0 */
/* One subscription: a Subscribe call that is started again from where it was whenever it breaks.
 *
 *   CONNECTING --first answer--> LIVE --broken--> WAITING --backoff--> CONNECTING
 *        any state --cancelled, or a failure that a retry cannot mend--> DONE
 *
 * The place in each conversation is kept here, from events and from the server's "caught up", so
 * that a repeat is dropped and nothing is missed, whichever node answers next. @thread loop */
#include "client_impl.h"

#include "error_impl.h"
#include "sized.h"

#include "base/id.h"
#include "base/map.h"
#include "base/mem.h"

#include "parley/v1/chat_service.client.parley.h"

#include <stdatomic.h>
#include <string.h>

struct place {
    int64_t seq;
    bool is_behind; /* asked for from a cursor, and not caught up yet */
    char conversation_id[PL_ID_MAX + 1];
};

struct parley_subscription {
    struct pl_list node; /* client.subscriptions */
    struct pl_mail mail; /* the start */
    parley_client *client;
    parley_subscription_events events;
    void *user;
    struct pl_map *places; /* conversation id -> struct place */
    size_t behind_count;   /* places that are behind */
    bool is_accepted;      /* the call has been heard of */
    bool is_behind;        /* counted in client.behind_count */
    bool follows_all;
    bool is_cancelled;
    bool is_over;
    parley_error *broken; /* why we broke the call off, instead of what it says; NULL: we did not */
    bool is_fatal;        /* ... and there is no going on */
    parley_call *call;
    struct pl_mail cancel_mail;
    atomic_bool is_cancel_posted;
    atomic_uint refs; /* one until the end, one for the cancellation under way */
    struct pl_timer retry;
    struct backoff backoff;
};

static void subscribe(parley_subscription *subscription);

static void unref(parley_subscription *subscription)
{
    if (atomic_fetch_sub(&subscription->refs, 1) > 1) {
        return;
    }
    parley_error_free(subscription->broken);
    pl_map_free(subscription->places, pl_free);
    pl_free(subscription);
}

/* Behind until the server took the call and every place has caught up. */
static void update_behind(parley_subscription *subscription)
{
    bool is_behind =
        !subscription->is_over && (!subscription->is_accepted || subscription->behind_count > 0);
    if (is_behind != subscription->is_behind) {
        subscription->is_behind = is_behind;
        subscription->client->behind_count += is_behind;
        subscription->client->behind_count -= !is_behind;
    }
    client_update_state(subscription->client);
}

static void mark(parley_subscription *subscription, struct place *place, bool is_behind)
{
    if (place->is_behind != is_behind) {
        place->is_behind = is_behind;
        subscription->behind_count += is_behind;
        subscription->behind_count -= !is_behind;
    }
}

/* The one way to DONE. */
static void end(parley_subscription *subscription, const parley_error *error)
{
    parley_client *client = subscription->client;
    subscription->is_over = true;
    update_behind(subscription);
    pl_timer_stop(client->loop, &subscription->retry);
    pl_list_remove(&subscription->node);
    if (subscription->events.on_done != NULL) {
        subscription->events.on_done(subscription->user, error);
    }
    unref(subscription);
    client_check_closed(client);
}

/* The place of a conversation, made at `seq` if it is new. NULL: no memory, or no valid id. */
static struct place *want_place(parley_subscription *subscription, const char *id, int64_t seq)
{
    size_t len = strlen(id);
    struct place *place = pl_map_find(subscription->places, id, len);
    if (place != NULL || !pl_id_is_valid(id, len)) {
        return place;
    }
    place = pl_calloc(1, sizeof(*place));
    if (place == NULL) {
        return NULL;
    }
    memcpy(place->conversation_id, id, len);
    place->seq = seq;
    if (pl_map_put(subscription->places, id, len, place, NULL) != 0) {
        pl_free(place);
        return NULL;
    }
    return place;
}

/* ---- what the server says ---- */

/* End the call from our side: to ask again from where we are, or for good. @param why  takes */
static void break_off(parley_subscription *subscription, bool is_fatal, parley_error *why)
{
    parley_error_free(subscription->broken);
    subscription->broken = why;
    subscription->is_fatal = is_fatal;
    parley_call_cancel(subscription->call);
}

/* The place of what the server tells about, or NULL: nothing can be told without a loss. */
static struct place *told_place(parley_subscription *subscription, const char *id, int64_t seq)
{
    struct place *place = want_place(subscription, id, seq);
    if (place == NULL) {
        break_off(subscription, true,
                  pl_id_is_valid(id, strlen(id))
                      ? sdk_error(PARLEY_RESOURCE_EXHAUSTED, "no memory to follow %s", id)
                      : sdk_error(PARLEY_INTERNAL, "the server tells of no valid conversation"));
    }
    return place;
}

static void break_off_at_hole(parley_subscription *subscription, const struct place *place)
{
    count(&subscription->client->counts.holes);
    break_off(subscription, false,
              sdk_error(PARLEY_DATA_LOSS, "the server left out what follows %lld of %s",
                        (long long)place->seq, place->conversation_id));
}

static void take_event(parley_subscription *subscription, const Parley__V1__Event *event)
{
    struct place *place = told_place(subscription, event->conversation_id, event->seq - 1);
    if (place == NULL) {
        return;
    }
    if (event->seq <= place->seq) {
        count(&subscription->client->counts.repeats);
        return;
    }
    if (event->seq != place->seq + 1) {
        break_off_at_hole(subscription, place);
        return;
    }
    place->seq = event->seq;
    count(&subscription->client->counts.events);
    if (subscription->events.on_event != NULL) {
        subscription->events.on_event(subscription->user, event);
    }
}

static void take_caught_up(parley_subscription *subscription, const Parley__V1__CaughtUp *caught_up)
{
    struct place *place = told_place(subscription, caught_up->conversation_id, caught_up->seq);
    if (place != NULL && place->seq < caught_up->seq) {
        break_off_at_hole(subscription, place);
        return;
    }
    if (place == NULL) {
        return;
    }
    if (subscription->events.on_caught_up != NULL) {
        subscription->events.on_caught_up(subscription->user, place->conversation_id, place->seq);
    }
    mark(subscription, place, false);
    update_behind(subscription);
}

static void take_truncated(parley_subscription *subscription,
                           const Parley__V1__Truncated *truncated)
{
    struct place *place =
        told_place(subscription, truncated->conversation_id, truncated->first_seq - 1);
    if (place == NULL) {
        return;
    }
    if (place->seq < truncated->first_seq - 1) {
        place->seq = truncated->first_seq - 1;
    }
    if (subscription->events.on_truncated != NULL) {
        subscription->events.on_truncated(subscription->user, place->conversation_id,
                                          truncated->first_seq);
    }
}

static void take_removed(parley_subscription *subscription, const Parley__V1__Removed *removed)
{
    /* Whoever comes back later starts there: their old place would be a hole. */
    struct place *place = pl_map_take(subscription->places, removed->conversation_id,
                                      strlen(removed->conversation_id));
    if (place != NULL) {
        mark(subscription, place, false);
        update_behind(subscription);
        pl_free(place);
    }
    if (subscription->events.on_removed != NULL) {
        subscription->events.on_removed(subscription->user, removed->conversation_id);
    }
}

static void note_accepted(parley_subscription *subscription)
{
    if (!subscription->is_accepted) {
        subscription->is_accepted = true;
        update_behind(subscription);
    }
}

static void on_headers(void *user, const parley_metadata *metadata)
{
    (void)metadata;
    note_accepted(user);
}

static void on_message(void *user, const ProtobufCMessage *raw)
{
    parley_subscription *subscription = user;
    const Parley__V1__SubscribeResponse *response = (const Parley__V1__SubscribeResponse *)raw;
    backoff_reset(&subscription->backoff);
    note_accepted(subscription);
    if (subscription->is_cancelled || subscription->broken != NULL) {
        return;
    }
    switch (response->kind_case) {
    case PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_EVENT:
        take_event(subscription, response->event);
        break;
    case PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_CAUGHT_UP:
        take_caught_up(subscription, response->caught_up);
        break;
    case PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_TRUNCATED:
        take_truncated(subscription, response->truncated);
        break;
    case PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_REMOVED:
        take_removed(subscription, response->removed);
        break;
    case PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_RECONNECT:
        break_off(subscription, false,
                  sdk_error(PARLEY_UNAVAILABLE, "the server asks to connect again"));
        break;
    default:
        break; /* of a newer server */
    }
}

static bool can_mend(const parley_error *error)
{
    switch (parley_error_code(error)) {
    case PARLEY_INVALID_ARGUMENT:
    case PARLEY_NOT_FOUND:
    case PARLEY_PERMISSION_DENIED:
    case PARLEY_FAILED_PRECONDITION:
    case PARLEY_OUT_OF_RANGE: /* a cursor beyond the last event */
    case PARLEY_UNIMPLEMENTED:
    case PARLEY_UNAUTHENTICATED:
        return false;
    default:
        return true;
    }
}

static void wait_and_retry(parley_subscription *subscription, const parley_error *error)
{
    int64_t wait = backoff_next(&subscription->backoff, parley_error_retry_after_ms(error));
    if (pl_timer_start(subscription->client->loop, &subscription->retry, wait) != 0) {
        parley_error *failure = sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
        end(subscription, failure);
        parley_error_free(failure);
    }
}

static void on_call_done(void *user, const parley_error *error, const parley_metadata *trailers)
{
    parley_subscription *subscription = user;
    parley_error *broken = subscription->broken;
    (void)trailers;
    subscription->broken = NULL;
    subscription->call = NULL;
    subscription->is_accepted = false;
    subscription->client->open_calls--;
    error = broken == NULL ? error : broken;
    if (subscription->is_cancelled) {
        end(subscription, NULL);
    } else if (subscription->is_fatal || !can_mend(error)) {
        end(subscription, error);
    } else {
        count(&subscription->client->counts.interrupted);
        update_behind(subscription);
        if (subscription->events.on_interrupted != NULL) {
            subscription->events.on_interrupted(subscription->user, error);
        }
        wait_and_retry(subscription, error);
    }
    parley_error_free(broken);
}

static const parley_call_events call_events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_done = on_call_done,
};

/* ---- asking ---- */

static void on_retry(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    subscribe(PL_CONTAINER_OF(timer, parley_subscription, retry));
}

static void fill_cursors(parley_subscription *subscription, Parley__V1__Cursor *cursors,
                         Parley__V1__SubscribeRequest *request)
{
    size_t iterator = 0;
    for (struct place *place = pl_map_next(subscription->places, &iterator, NULL, NULL);
         place != NULL; place = pl_map_next(subscription->places, &iterator, NULL, NULL)) {
        Parley__V1__Cursor *cursor = &cursors[request->n_cursors];
        parley__v1__cursor__init(cursor);
        mark(subscription, place, true);
        cursor->conversation_id = place->conversation_id;
        cursor->after_seq = place->seq;
        request->cursors[request->n_cursors++] = cursor;
    }
}

static void subscribe(parley_subscription *subscription)
{
    Parley__V1__SubscribeRequest request = PARLEY__V1__SUBSCRIBE_REQUEST__INIT;
    parley_call_options options = {.size = sizeof(options), .wait_for_ready = true};
    size_t count = pl_map_count(subscription->places);
    if (count == 0 && !subscription->follows_all) {
        parley_error *error = sdk_error(PARLEY_NOT_FOUND, "no longer a member of any of them");
        end(subscription, error);
        parley_error_free(error);
        return;
    }
    Parley__V1__Cursor *cursors = pl_calloc(count, sizeof(*cursors));
    request.cursors = pl_calloc(count, sizeof(*request.cursors));
    request.all_conversations = subscription->follows_all;
    if (cursors != NULL && request.cursors != NULL) {
        fill_cursors(subscription, cursors, &request);
        subscription->call =
            parley_call_start(subscription->client->channel,
                              &parley_v1_ChatService_methods[parley_v1_ChatService_M_Subscribe],
                              &options, &request.base, &call_events, subscription);
    }
    pl_free(cursors);
    pl_free(request.cursors);
    if (subscription->call == NULL) {
        wait_and_retry(subscription, NULL);
        return;
    }
    subscription->client->open_calls++;
    update_behind(subscription);
}

static void deliver_start(struct pl_loop *loop, struct pl_mail *mail)
{
    parley_subscription *subscription = PL_CONTAINER_OF(mail, parley_subscription, mail);
    (void)loop;
    pl_list_push(&subscription->client->subscriptions, &subscription->node);
    if (subscription->is_cancelled || subscription->client->is_closing) {
        end(subscription, NULL);
        return;
    }
    subscribe(subscription);
}

/* ---- cancelling ---- */

static void cancel(parley_subscription *subscription)
{
    if (subscription->is_cancelled || subscription->is_over) {
        return;
    }
    subscription->is_cancelled = true;
    if (subscription->call != NULL) {
        parley_call_cancel(subscription->call);
    } else {
        end(subscription, NULL);
    }
}

static void deliver_cancel(struct pl_loop *loop, struct pl_mail *mail)
{
    parley_subscription *subscription = PL_CONTAINER_OF(mail, parley_subscription, cancel_mail);
    (void)loop;
    cancel(subscription);
    unref(subscription);
}

/* ---- the interface ---- */

static parley_error *start_place(parley_subscription *subscription, const parley_cursor *cursor)
{
    const char *id = cursor->conversation_id;
    if (id == NULL || !pl_id_is_valid(id, strlen(id))) {
        return sdk_error(PARLEY_INVALID_ARGUMENT,
                         "conversation_id: 1 to 64 bytes of [A-Za-z0-9._~:-]");
    }
    return want_place(subscription, id, cursor->after_seq) == NULL
               ? sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory")
               : NULL;
}

/* @return false: the client is being closed. */
static bool post_start(parley_client *client, parley_subscription *subscription)
{
    (void)pthread_mutex_lock(&client->shared.mu);
    bool is_accepted = !client->shared.is_closing;
    if (is_accepted) {
        pl_loop_post(client->loop, &subscription->mail);
    }
    (void)pthread_mutex_unlock(&client->shared.mu);
    return is_accepted;
}

parley_error *parley_client_subscribe(parley_client *client, const parley_cursor *cursors,
                                      size_t cursor_count, bool all,
                                      const parley_subscription_events *events, void *user,
                                      parley_subscription **subscription)
{
    parley_subscription_events chosen = {.size = sizeof(chosen)};
    *subscription = NULL;
    if (!sized_copy(&chosen, sizeof(chosen), events)) {
        return sdk_error(PARLEY_INVALID_ARGUMENT,
                         "the size of parley_subscription_events is not set");
    }
    if (cursor_count == 0 && !all) {
        return sdk_error(PARLEY_INVALID_ARGUMENT, "a subscription needs a conversation, or all");
    }
    parley_subscription *made = pl_calloc(1, sizeof(*made));
    struct pl_map *places = pl_map_new();
    if (made == NULL || places == NULL) {
        pl_free(made);
        pl_map_free(places, NULL);
        return sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    made->places = places;
    atomic_init(&made->refs, 1);
    for (size_t i = 0; i < cursor_count; i++) {
        parley_error *error = start_place(made, &cursors[i]);
        if (error != NULL) {
            unref(made);
            return error;
        }
    }
    made->client = client;
    made->events = chosen;
    made->user = user;
    made->follows_all = all;
    made->retry.fire = on_retry;
    made->backoff.initial_ms = client->options.retry_initial_ms;
    made->backoff.max_ms = client->options.retry_max_ms;
    made->mail.deliver = deliver_start;
    made->cancel_mail.deliver = deliver_cancel;
    *subscription = made;
    if (!post_start(client, made)) {
        *subscription = NULL;
        unref(made);
        return sdk_error(PARLEY_CANCELLED, "the client is being closed");
    }
    return NULL;
}

void parley_subscription_cancel(parley_subscription *subscription)
{
    if (!atomic_exchange(&subscription->is_cancel_posted, true)) {
        atomic_fetch_add(&subscription->refs, 1);
        pl_loop_post(subscription->client->loop, &subscription->cancel_mail);
    }
}

void subscriptions_close(parley_client *client)
{
    PL_LIST_FOREACH_SAFE (node, following, &client->subscriptions) {
        cancel(PL_LIST_ENTRY(node, parley_subscription, node));
    }
}
