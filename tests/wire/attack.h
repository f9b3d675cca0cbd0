/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_WIRE_ATTACK_H
#define PARLEY_TEST_WIRE_ATTACK_H

/* Attackers on one connection: frames made by hand, since no library would send them. One table of
 * attacks is what the tests run and what the report measures. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATTACK_BLOCK_BYTES 98304

enum {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_PRIORITY = 2,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_WINDOW_UPDATE = 8,
    FRAME_CONTINUATION = 9,
    FRAME_UNKNOWN = 0xbb
};
#define END_STREAM  1
#define END_HEADERS 4

struct bytes {
    uint8_t data[ATTACK_BLOCK_BYTES];
    size_t len;
};

void put(struct bytes *out, const void *data, size_t len);
void put_frame(struct bytes *out, uint8_t type, uint8_t flags, uint32_t id, const void *payload,
               size_t len);
/* The preface and SETTINGS. */
void put_hello(struct bytes *out, const void *settings, size_t len);
/* Headers of POST /grpc.health.v1.Health/Check, as HPACK without dynamic table. */
void put_check(struct bytes *out, uint8_t flags, uint32_t id);
extern const uint8_t attack_check_headers[];
extern const size_t attack_check_headers_len;

/* Closed, whatever is told before: an attacker that does not read would not hear it. */
#define ATTACK_CLOSED UINT32_MAX
/* It may go on, as long as nobody else feels it. */
#define ATTACK_CONTAINED (UINT32_MAX - 1)

struct attack {
    const char *name;
    /* Append about a block of frames. `round` counts from 0. */
    void (*put)(struct bytes *out, uint32_t round);
    bool reads;   /* what the server answers */
    uint32_t end; /* the error that the GOAWAY must tell, or one of the two above */
};

/* floods.c */
extern const struct attack floods[];
extern const size_t floods_count;

struct attacker {
    int fd;
    bool is_out;         /* the server closed */
    uint32_t goaway;     /* UINT32_MAX: none came */
    size_t sent_bytes;   /* on all connections of this attacker */
    uint8_t tail[65536]; /* of what was received and not parsed */
    size_t tail_len;
};

/* Connect (again). */
void attacker_open(struct attacker *attacker, const char *address);
void attacker_close(struct attacker *attacker);
void attacker_read(struct attacker *attacker);
/* Send it all, or find that the server does not want it: closed, or not reading for a while. */
void attacker_send(struct attacker *attacker, const struct bytes *block, bool reads);
/* Send rounds of an attack on one connection, with a pause for `meanwhile` (may be NULL) after
 * each, until the server closes it, `bytes_max` are sent or the deadline is over. */
void attacker_run(struct attacker *attacker, const struct attack *attack, size_t bytes_max,
                  int64_t deadline_ms, void (*meanwhile)(void));

#endif /* PARLEY_TEST_WIRE_ATTACK_H */
