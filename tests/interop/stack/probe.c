/* SPDX-License-Identifier: Apache-2.0 */
/* See probe.h. Callbacks come on the channel's thread; they only put away what they get. */
#include "probe.h"

#include "die.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct arrived {
    struct arrived *next;
    ProtobufCMessage *message;
    bool is_compressed;
};

struct probe {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    parley_call *call; /* usable while !is_done */
    bool is_full;
    bool is_done;
    bool is_read_compressed;
    parley_metadata *headers;
    parley_metadata *trailers;
    struct arrived *first;
    struct arrived **last;
    enum parley_code code;
    char *message;
    uint8_t *details;
    size_t details_len;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        die("out of memory");
    }
    return memory;
}

static parley_metadata *copy_metadata(const parley_metadata *from)
{
    parley_metadata *to = must(parley_metadata_new());
    for (size_t i = 0; i < parley_metadata_count(from); i++) {
        const char *key = parley_metadata_key(from, i);
        size_t key_len = strlen(key);
        size_t len = 0;
        const void *value = parley_metadata_value(from, i, &len);
        bool is_bin = key_len > 4 && strcmp(key + key_len - 4, "-bin") == 0;
        /* What gRPC reserves may come and cannot be set: nobody here asks for it. */
        (void)!(is_bin ? parley_metadata_add_bin(to, key, value, len)
                       : parley_metadata_add(to, key, value));
    }
    return to;
}

static ProtobufCMessage *copy_message(const ProtobufCMessage *from)
{
    size_t len = protobuf_c_message_get_packed_size(from);
    uint8_t *bytes = must(malloc(len + 1));
    (void)protobuf_c_message_pack(from, bytes);
    ProtobufCMessage *to = must(protobuf_c_message_unpack(from->descriptor, NULL, len, bytes));
    free(bytes);
    return to;
}

static void lock(struct probe *probe)
{
    (void)pthread_mutex_lock(&probe->mu);
}

static void unlock_and_tell(struct probe *probe)
{
    (void)pthread_cond_broadcast(&probe->changed);
    (void)pthread_mutex_unlock(&probe->mu);
}

static void on_headers(void *user, const parley_metadata *metadata)
{
    struct probe *probe = user;
    lock(probe);
    probe->headers = copy_metadata(metadata);
    unlock_and_tell(probe);
}

static void on_message(void *user, const ProtobufCMessage *message)
{
    struct probe *probe = user;
    struct arrived *arrived = must(calloc(1, sizeof(*arrived)));
    arrived->message = copy_message(message);
    lock(probe);
    arrived->is_compressed = parley_call_is_compressed(probe->call);
    *probe->last = arrived;
    probe->last = &arrived->next;
    unlock_and_tell(probe);
}

static void on_writable(void *user)
{
    struct probe *probe = user;
    lock(probe);
    probe->is_full = false;
    unlock_and_tell(probe);
}

static void on_done(void *user, const parley_error *error, const parley_metadata *trailers)
{
    struct probe *probe = user;
    size_t len = 0;
    const uint8_t *details = error != NULL ? parley_error_details(error, &len) : NULL;
    lock(probe);
    probe->code = parley_error_code(error);
    probe->message = must(strdup(error != NULL ? parley_error_message(error) : ""));
    if (details != NULL) {
        probe->details = must(malloc(len + 1));
        memcpy(probe->details, details, len);
        probe->details_len = len;
    }
    probe->trailers = copy_metadata(trailers);
    probe->is_done = true;
    unlock_and_tell(probe);
}

struct probe *probe_start(parley_channel *channel, const parley_method *method,
                          const parley_call_options *options, const ProtobufCMessage *request)
{
    static const parley_call_events EVENTS = {
        .on_headers = on_headers,
        .on_message = on_message,
        .on_writable = on_writable,
        .on_done = on_done,
    };
    struct probe *probe = must(calloc(1, sizeof(*probe)));
    (void)pthread_mutex_init(&probe->mu, NULL);
    (void)pthread_cond_init(&probe->changed, NULL);
    probe->last = &probe->first;
    lock(probe); /* the first callback may come before `call` is known */
    probe->call = must(parley_call_start(channel, method, options, request, &EVENTS, probe));
    (void)pthread_mutex_unlock(&probe->mu);
    return probe;
}

bool probe_is_compressed(const struct probe *probe)
{
    return probe->is_read_compressed;
}

void probe_compress(struct probe *probe, bool is_wanted)
{
    lock(probe);
    if (!probe->is_done) {
        parley_call_compress(probe->call, is_wanted);
    }
    (void)pthread_mutex_unlock(&probe->mu);
}

int probe_write(struct probe *probe, const ProtobufCMessage *request)
{
    lock(probe);
    while (probe->is_full && !probe->is_done) {
        (void)pthread_cond_wait(&probe->changed, &probe->mu);
    }
    int result = probe->is_done ? -1 : parley_call_write(probe->call, request);
    probe->is_full = result == 1;
    (void)pthread_mutex_unlock(&probe->mu);
    return result < 0 ? -1 : 0;
}

static void if_alive(struct probe *probe, void (*act)(parley_call *call))
{
    lock(probe);
    if (!probe->is_done) {
        act(probe->call);
    }
    (void)pthread_mutex_unlock(&probe->mu);
}

void probe_writes_done(struct probe *probe)
{
    if_alive(probe, parley_call_writes_done);
}

void probe_cancel(struct probe *probe)
{
    if_alive(probe, parley_call_cancel);
}

void probe_wait_headers(struct probe *probe)
{
    lock(probe);
    while (probe->headers == NULL && !probe->is_done) {
        (void)pthread_cond_wait(&probe->changed, &probe->mu);
    }
    (void)pthread_mutex_unlock(&probe->mu);
}

ProtobufCMessage *probe_read(struct probe *probe)
{
    ProtobufCMessage *message = NULL;
    lock(probe);
    while (probe->first == NULL && !probe->is_done) {
        (void)pthread_cond_wait(&probe->changed, &probe->mu);
    }
    struct arrived *arrived = probe->first;
    if (arrived != NULL) {
        message = arrived->message;
        probe->is_read_compressed = arrived->is_compressed;
        probe->first = arrived->next;
        if (probe->first == NULL) {
            probe->last = &probe->first;
        }
        free(arrived);
    }
    (void)pthread_mutex_unlock(&probe->mu);
    return message;
}

void probe_wait_done(struct probe *probe)
{
    lock(probe);
    while (!probe->is_done) {
        (void)pthread_cond_wait(&probe->changed, &probe->mu);
    }
    (void)pthread_mutex_unlock(&probe->mu);
}

const parley_metadata *probe_headers(struct probe *probe)
{
    return probe->headers;
}

const parley_metadata *probe_trailers(struct probe *probe)
{
    return probe->trailers;
}

enum parley_code probe_code(struct probe *probe)
{
    return probe->code;
}

const char *probe_message(struct probe *probe)
{
    return probe->message;
}

const uint8_t *probe_details(struct probe *probe, size_t *len)
{
    *len = probe->details_len;
    return probe->details;
}

void probe_free(struct probe *probe)
{
    probe_cancel(probe);
    probe_wait_done(probe);
    for (ProtobufCMessage *message = probe_read(probe); message != NULL;
         message = probe_read(probe)) {
        parley_message_free(message);
    }
    parley_metadata_free(probe->headers);
    parley_metadata_free(probe->trailers);
    free(probe->message);
    free(probe->details);
    (void)pthread_cond_destroy(&probe->changed);
    (void)pthread_mutex_destroy(&probe->mu);
    free(probe);
}
