/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CHANNEL_H
#define PARLEY_CHANNEL_H

/* A channel: a lasting relation to one server name. It connects when it is first used, reconnects
 * by itself with backoff, and carries any number of calls at once (parley/stub.h, generated stubs,
 * parley/client.h).
 *
 * Threads: by default the channel has an I/O thread of its own, and callbacks run on it. With
 * `is_driven` it has none: the application polls parley_channel_fd and calls
 * parley_channel_process, and callbacks run inside that call. */

#include "parley/error.h"
#include "parley/export.h"
#include "parley/stub.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How calls are spread over the addresses of the target (gRPC's names). */
typedef enum parley_balancing {
    PARLEY_PICK_FIRST = 0,  /* one connection, to the first address that answers */
    PARLEY_ROUND_ROBIN = 1, /* a connection to each address; calls take turns */
} parley_balancing;

/* Zero-initialise, set size = sizeof(parley_channel_options), then what you need. All strings are
 * copied. */
typedef struct parley_channel_options {
    size_t size;
    bool is_driven;          /* no thread of its own; see above */
    bool use_tls;            /* TLS 1.2 or later, ALPN h2, certificate and name verified */
    const char *ca_file;     /* PEM; NULL: the system's */
    const char *server_name; /* name in the certificate; NULL: the target's (first) host */
    const char *cert_file;   /* client certificate, PEM; NULL: none */
    const char *key_file;
    const char *token;      /* sent with every call as "authorization: Bearer ..."; NULL: none */
    const char *user_agent; /* put before ours; NULL: none */
    int64_t default_timeout_ms;  /* of unary calls without one; 0: 30 s; INT64_MAX: none */
    uint32_t backoff_initial_ms; /* first wait after a failed connection; 0: 1 s (gRPC connection
                                    backoff) */
    uint32_t backoff_max_ms;     /* 0: 120 s */
    int64_t connect_timeout_ms;  /* 0: 20 s */
    size_t max_message_bytes;    /* largest message received; 0: 4 MiB */
    int64_t keepalive_ms; /* PING after so long without a byte during calls, 10 s or more; 0: off.
                             Doubled when a server finds it too often */
    int64_t keepalive_timeout_ms; /* no answer: the connection is lost; 0: 20 s */
    bool keepalive_without_calls; /* PING also while there is no call; servers may mind */
    parley_balancing balancing;
    int64_t resolve_interval_ms;      /* names are looked up again at most so often; 0: 30 s */
    const parley_retry_policy *retry; /* of calls that bring none; copied; NULL: no retries */
    uint32_t retry_tokens_max; /* each failure takes one: no retries while half of them or less are
                                  left; 0: no such limit */
    double retry_token_ratio;  /* what a success gives back; 0: 0.1 */
} parley_channel_options;

typedef enum parley_channel_state {
    PARLEY_CHANNEL_IDLE = 0,
    PARLEY_CHANNEL_CONNECTING = 1,
    PARLEY_CHANNEL_READY = 2,
    PARLEY_CHANNEL_TRANSIENT_FAILURE = 3,
    PARLEY_CHANNEL_SHUTDOWN = 4,
} parley_channel_state;

/* @param target   "host:port", "dns:///host:port", "ipv4:1.2.3.4:5", "ipv6:[::1]:5", "unix:/path";
 *                 all but the last may be lists, as "one:7450,two:7450", of one and the same server
 *                 under several addresses. Nothing is sent before the first call.
 * @param options  NULL: defaults.
 * @return NULL with *channel owned (parley_channel_free); INVALID_ARGUMENT names what is wrong. */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_channel_new(const char *target,
                                                              const parley_channel_options *options,
                                                              parley_channel **channel);
/* Ends all calls with CANCELLED (their on_done runs before this returns), closes and frees. Waits
 * for a name that is being looked up. Not from a callback; clients first. NULL is fine.
 * @thread any but the channel's own */
PARLEY_API void parley_channel_free(parley_channel *channel);

/* Replace the token that later calls carry; NULL: none. Copied. @thread any */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_channel_set_token(parley_channel *channel,
                                                                    const char *token);

/* Connect now instead of with the first call. @thread any */
PARLEY_API void parley_channel_connect(parley_channel *channel);
PARLEY_API parley_channel_state parley_channel_get_state(parley_channel *channel); /* @thread any */
/* Calls that wait: for a connection, for room on one, or for their next attempt. @thread any */
PARLEY_API size_t parley_channel_waiting_calls(parley_channel *channel);
/* Called on every change of state, on the channel's thread. One watcher; set before the first call.
 */
PARLEY_API void parley_channel_watch_state(parley_channel *channel,
                                           void (*on_state)(void *user, parley_channel_state state),
                                           void *user);

/* For is_driven channels. The descriptor polls readable when parley_channel_process has work. */
PARLEY_API int parley_channel_fd(parley_channel *channel);
/* How long a poll may sleep, in milliseconds; -1: until the descriptor is readable. */
PARLEY_API int parley_channel_wait_ms(parley_channel *channel);
/* Do what there is to do without blocking; runs callbacks. Call it also right after starting calls.
 */
PARLEY_API void parley_channel_process(parley_channel *channel);

#ifdef __cplusplus
}
#endif

#endif /* PARLEY_CHANNEL_H */
