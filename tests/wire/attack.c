/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and attackers; see attack.h. */
#include "wire/attack.h"

#include "support/check.h"
#include "support/h2_frame.h"
#include "support/wait.h"
#include "wire/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- frames ---- */

void put(struct bytes *out, const void *data, size_t len)
{
    assert_true(len <= sizeof(out->data) - out->len);
    if (len > 0) {
        memcpy(out->data + out->len, data, len);
    }
    out->len += len;
}

void put_frame(struct bytes *out, uint8_t type, uint8_t flags, uint32_t id, const void *payload,
               size_t len)
{
    uint8_t header[H2_HEADER_BYTES];
    h2_put_header(header, len, type, flags, id);
    put(out, header, sizeof(header));
    put(out, payload, len);
}

void put_hello(struct bytes *out, const void *settings, size_t len)
{
    put(out, H2_PREFACE, sizeof(H2_PREFACE) - 1);
    put_frame(out, FRAME_SETTINGS, 0, 0, settings, len);
}

const uint8_t attack_check_headers[] = "\x83\x86"
                                       "\x04\x1c/grpc.health.v1.Health/Check"
                                       "\x01\x01h"
                                       "\x0f\x10\x10"
                                       "application/grpc";
const size_t attack_check_headers_len = sizeof(attack_check_headers) - 1;

void put_check(struct bytes *out, uint8_t flags, uint32_t id)
{
    put_frame(out, FRAME_HEADERS, flags, id, attack_check_headers, attack_check_headers_len);
}

/* ---- attackers ---- */

static void take_frames(struct attacker *attacker)
{
    size_t at = 0;
    while (attacker->tail_len - at >= H2_HEADER_BYTES) {
        const uint8_t *frame = attacker->tail + at;
        size_t len = h2_len(frame);
        if (attacker->tail_len - at < H2_HEADER_BYTES + len) {
            break;
        }
        if (frame[3] == 7) {
            attacker->goaway = frame[16];
        }
        at += H2_HEADER_BYTES + len;
    }
    attacker->tail_len -= at;
    memmove(attacker->tail, attacker->tail + at, attacker->tail_len);
}

void attacker_read(struct attacker *attacker)
{
    for (;;) {
        ssize_t got = recv(attacker->fd, attacker->tail + attacker->tail_len,
                           sizeof(attacker->tail) - attacker->tail_len, MSG_DONTWAIT);
        if (got <= 0) {
            attacker->is_out = got == 0 || errno != EAGAIN;
            return;
        }
        attacker->tail_len += (size_t)got;
        take_frames(attacker);
    }
}

void attacker_open(struct attacker *attacker, const char *address)
{
    attacker->fd = client_socket(address);
    attacker->is_out = false;
    attacker->goaway = UINT32_MAX;
    attacker->tail_len = 0;
    assert_int_equal(fcntl(attacker->fd, F_SETFL, O_NONBLOCK), 0);
}

void attacker_close(struct attacker *attacker)
{
    (void)close(attacker->fd);
}

void attacker_send(struct attacker *attacker, const struct bytes *block, bool reads)
{
    size_t sent = 0;
    int64_t deadline_ms = wait_deadline(500);
    while (sent < block->len && !attacker->is_out) {
        ssize_t part = send(attacker->fd, block->data + sent, block->len - sent, MSG_NOSIGNAL);
        if (part > 0) {
            sent += (size_t)part;
        } else if (errno != EAGAIN) {
            attacker->is_out = true;
        } else if (!wait_turn(deadline_ms)) {
            break;
        }
        if (reads) {
            attacker_read(attacker);
        }
    }
    attacker->sent_bytes += sent;
}

void attacker_run(struct attacker *attacker, const struct attack *attack, size_t bytes_max,
                  int64_t deadline_ms, void (*meanwhile)(void))
{
    static struct bytes block;
    size_t total = 0;
    block.len = 0;
    put_hello(&block, NULL, 0);
    for (uint32_t round = 0; !attacker->is_out && total < bytes_max; round++) {
        attack->put(&block, round);
        total += block.len;
        attacker_send(attacker, &block, attack->reads);
        block.len = 0;
        if (meanwhile != NULL) {
            meanwhile();
        }
        if (wait_deadline(0) > deadline_ms) {
            return;
        }
    }
}
