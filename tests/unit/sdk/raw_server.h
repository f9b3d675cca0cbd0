/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SDK_RAW_SERVER_H
#define PARLEY_TEST_SDK_RAW_SERVER_H

/* A server of raw HTTP/2 frames with a thread of its own: it plays one act for each connection that
 * it accepts, the last act for all that follow. */

#include <stdint.h>

enum raw_act {
    RAW_HANG_UP,          /* close at once, without SETTINGS */
    RAW_SILENCE,          /* accept and say nothing */
    RAW_READY_SILENCE,    /* SETTINGS, and nothing more */
    RAW_READY_HANG_UP,    /* SETTINGS, then close */
    RAW_EARLY_GOAWAY,     /* GOAWAY instead of SETTINGS, then close */
    RAW_REFUSE_FIRST,     /* REFUSED_STREAM for the first call, OK for the second */
    RAW_GOAWAY_IGNORES,   /* GOAWAY that excludes the first call */
    RAW_GOAWAY_ANSWERS,   /* GOAWAY that includes the first call, and its answer */
    RAW_FAIL,             /* UNAVAILABLE for every call */
    RAW_FAIL_TWICE,       /* UNAVAILABLE for two calls, then OK for every call */
    RAW_PINGED_TOO_OFTEN, /* GOAWAY too_many_pings that includes the first call, and its answer */
    RAW_ANSWER,           /* OK with an empty message for every call */
};

struct raw_server; /* opaque */

/* @param acts  keeps. @return owned (raw_server_stop). Fails the test. */
struct raw_server *raw_server_start(const enum raw_act *acts, unsigned count);
void raw_server_stop(struct raw_server *server); /* NULL is fine */
const char *raw_server_target(const struct raw_server *server);
unsigned raw_server_accepts(struct raw_server *server);
/* When the connection came; pl_clock_monotonic_ms. */
int64_t raw_server_accepted_ms(const struct raw_server *server, unsigned index);
unsigned raw_server_calls(struct raw_server *server);
/* grpc-retry-pushback-ms of failures. @param text  keeps; at most 15 bytes. Before the first call.
 */
void raw_server_push_back(struct raw_server *server, const char *text);

#endif /* PARLEY_TEST_SDK_RAW_SERVER_H */
