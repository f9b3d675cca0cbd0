/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes to the admin server, in one piece and in small ones: the first answer is the same, it
 * is HTTP, and nothing of the connection is left once the client has gone. */
#include "admin/admin_impl.h"

#include "loop/loop.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATUS_LINE 16 /* bytes of the first answer that are looked at */
#define QUIET_TURNS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct talk {
    struct admin *admin;
    int fd;
    size_t received;
    char first[STATUS_LINE];
    bool is_over;
};

static void need(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

/* @return has something come? */
static bool take_answers(struct talk *talk)
{
    char part[4096];
    ssize_t got = recv(talk->fd, part, sizeof(part), MSG_DONTWAIT);
    if (got <= 0) {
        talk->is_over = got == 0 || errno != EAGAIN;
        return false;
    }
    for (ssize_t i = 0; i < got && talk->received + (size_t)i < STATUS_LINE; i++) {
        talk->first[talk->received + (size_t)i] = part[i];
    }
    talk->received += (size_t)got;
    return true;
}

static void send_all(struct talk *talk, const uint8_t *data, size_t size, size_t piece)
{
    size_t sent = 0;
    for (int quiet = 0; quiet < QUIET_TURNS && !talk->is_over;) {
        size_t len = size - sent < piece ? size - sent : piece;
        ssize_t taken = len > 0 ? send(talk->fd, data + sent, len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        sent += taken > 0 ? (size_t)taken : 0;
        pl_loop_turn(talk->admin->loop);
        quiet = take_answers(talk) || taken > 0 ? 0 : quiet + 1;
    }
}

static void converse(struct talk *talk, const uint8_t *data, size_t size, size_t piece)
{
    int fds[2];
    need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    talk->fd = fds[0];
    admin_conn_open(talk->admin, fds[1]);
    need(talk->admin->count == 1);
    send_all(talk, data, size, piece);
    (void)close(talk->fd);
    for (int turns = 0; talk->admin->count > 0; turns++) {
        need(turns < 1000);
        pl_loop_turn(talk->admin->loop);
    }
    need(talk->received == 0 ||
         (talk->received > STATUS_LINE && memcmp(talk->first, "HTTP/1.1 ", 9) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct admin admin = {.connections_max = 8, .timeout_ms = 60000};
    if (admin.loop == NULL) {
        need(pl_loop_new(&admin.loop, NULL) == PARLEY_OK);
        pl_list_init(&admin.conns);
    }
    if (size < 1) {
        return 0;
    }
    struct talk whole = {.admin = &admin};
    struct talk pieces = {.admin = &admin};
    converse(&whole, data + 1, size - 1, size);
    converse(&pieces, data + 1, size - 1, (size_t)data[0] % 64 + 1);
    need(memcmp(whole.first, pieces.first, STATUS_LINE) == 0);
    return 0;
}
