/* SPDX-License-Identifier: Apache-2.0 */
/* What a node hears; see ear.h. */
#include "ear.h"

#include "support/check.h"
#include "support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ear_topic *find_locked(struct ear *ear, const char *name, size_t len)
{
    for (size_t i = 0; i < EAR_TOPICS; i++) {
        struct ear_topic *topic = &ear->topics[i];
        if (len > 0 && strlen(topic->name) == len && memcmp(topic->name, name, len) == 0) {
            return topic;
        }
    }
    return NULL;
}

static void add_locked(struct ear *ear, const char *name)
{
    size_t i = 0;
    while (i < EAR_TOPICS && ear->topics[i].name[0] != '\0') {
        i++;
    }
    if (i < EAR_TOPICS) {
        ear->topics[i] = (struct ear_topic){.last = -1, .is_ordered = true};
        (void)snprintf(ear->topics[i].name, sizeof(ear->topics[i].name), "%s", name);
    }
}

static void on_message(void *context, const void *data, size_t len)
{
    struct ear *ear = context;
    const char *text = data;
    const char *blank = memchr(text, ' ', len);
    if (ear->is_slow) {
        (void)wait_turn(INT64_MAX);
    }
    (void)pthread_mutex_lock(&ear->mutex);
    struct ear_topic *topic = blank != NULL ? find_locked(ear, text, (size_t)(blank - text)) : NULL;
    if (topic == NULL) {
        ear->others++;
    } else {
        char digits[24] = ""; /* what comes is not terminated */
        (void)snprintf(digits, sizeof(digits), "%.*s", (int)(text + len - blank), blank);
        long number = strtol(digits, NULL, 10);
        topic->is_ordered = topic->is_ordered && number > topic->last;
        topic->last = number;
        topic->bytes = len;
        topic->heard++;
    }
    (void)pthread_mutex_unlock(&ear->mutex);
}

static void on_gap(void *context, const struct bus_topic *name)
{
    struct ear *ear = context;
    (void)pthread_mutex_lock(&ear->mutex);
    struct ear_topic *topic = name != NULL ? find_locked(ear, name->data, name->len) : NULL;
    if (topic != NULL) {
        topic->gaps++;
    } else {
        ear->gaps += name == NULL ? 1 : 0;
    }
    (void)pthread_mutex_unlock(&ear->mutex);
}

static void on_lost(void *context)
{
    struct ear *ear = context;
    (void)pthread_mutex_lock(&ear->mutex);
    ear->losses++;
    (void)pthread_mutex_unlock(&ear->mutex);
}

static void on_state(void *context, bool is_connected)
{
    struct ear *ear = context;
    (void)pthread_mutex_lock(&ear->mutex);
    ear->ups += is_connected ? 1 : 0;
    ear->downs += is_connected ? 0 : 1;
    (void)pthread_mutex_unlock(&ear->mutex);
}

static const struct bus_events events = {
    .on_message = on_message, .on_gap = on_gap, .on_lost = on_lost, .on_state = on_state};

void ear_init(struct ear *ear, struct bus *bus)
{
    memset(ear, 0, sizeof(*ear));
    ear->bus = bus;
    (void)pthread_mutex_init(&ear->mutex, NULL);
    assert_int_equal(bus_start(bus, &events, ear, NULL), PARLEY_OK);
}

void ear_deinit(struct ear *ear)
{
    bus_free(ear->bus);
    (void)pthread_mutex_destroy(&ear->mutex);
}

static struct bus_topic topic_of(const char *name)
{
    return (struct bus_topic){name, strlen(name)};
}

void ear_subscribe(struct ear *ear, const char *topic)
{
    const struct bus_topic name = topic_of(topic);
    (void)pthread_mutex_lock(&ear->mutex);
    if (find_locked(ear, topic, name.len) == NULL) {
        add_locked(ear, topic);
    }
    (void)pthread_mutex_unlock(&ear->mutex);
    assert_int_equal(bus_subscribe(ear->bus, &name), 0);
}

void ear_listen(struct ear *ear, const char *topic)
{
    WAIT_FOR(bus_is_connected(ear->bus));
    ear_subscribe(ear, topic);
    WAIT_FOR(ear_topic(ear, topic).gaps > 0);
}

void ear_unsubscribe(struct ear *ear, const char *topic)
{
    const struct bus_topic name = topic_of(topic);
    bus_unsubscribe(ear->bus, &name);
}

int ear_say(struct ear *ear, const char *topic, long number, size_t bytes)
{
    const struct bus_topic name = topic_of(topic);
    char text[BUS_TOPIC_MAX + 32];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s %ld ", topic, number);
    size_t total = bytes > len ? bytes : len;
    struct pl_buf *message = pl_buf_new(total);
    assert_non_null(message);
    memset(message->data, '.', total);
    memcpy(message->data, text, len);
    message->len = total;
    int result = bus_publish(ear->bus, &name, message);
    pl_buf_unref(message);
    return result;
}

struct ear_topic ear_topic(struct ear *ear, const char *topic)
{
    (void)pthread_mutex_lock(&ear->mutex);
    const struct ear_topic *found = find_locked(ear, topic, strlen(topic));
    struct ear_topic copy = found != NULL ? *found : (struct ear_topic){.heard = 0};
    (void)pthread_mutex_unlock(&ear->mutex);
    return copy;
}

long ear_read(struct ear *ear, const long *counter)
{
    (void)pthread_mutex_lock(&ear->mutex);
    long value = *counter;
    (void)pthread_mutex_unlock(&ear->mutex);
    return value;
}
