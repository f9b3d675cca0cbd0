/* SPDX-License-Identifier: Apache-2.0 */
/* See gate.h. One lock, held for a few steps for each connection that comes, opens and goes. */
#include "grpc/gate.h"

#include "base/map.h"
#include "base/mem.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#define THOUSAND 1000

struct gate {
    struct gate_limits limits;
    pthread_mutex_t mu;
    size_t count;             /* @lock mu, and all below */
    size_t handshakes;        /* of these, not open */
    int64_t tokens;           /* thousandths of a connection that may come now */
    int64_t filled_ms;        /* when they were counted */
    struct pl_map *addresses; /* -> struct tally */
};

struct tally {
    size_t count;
};

enum parley_code gate_new(const struct gate_limits *limits, struct gate **out, struct pl_error *err)
{
    struct gate *gate = pl_calloc(1, sizeof(*gate));
    struct pl_map *addresses = pl_map_new();
    if (gate == NULL || addresses == NULL) {
        pl_free(gate);
        pl_map_free(addresses, NULL);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the count of connections");
    }
    gate->limits = *limits;
    gate->addresses = addresses;
    gate->tokens = (int64_t)limits->accepts_per_s * THOUSAND;
    (void)pthread_mutex_init(&gate->mu, NULL);
    *out = gate;
    return PARLEY_OK;
}

void gate_free(struct gate *gate)
{
    if (gate == NULL) {
        return;
    }
    pl_map_free(gate->addresses, pl_free);
    (void)pthread_mutex_destroy(&gate->mu);
    pl_free(gate);
}

/* Whoever has one address of IPv6 has its whole /64; IPv4 may come in IPv6's clothes. */
static void note_address(const struct sockaddr *peer, struct gate_pass *pass)
{
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, peer, sizeof(v4));
        pass->address_len = sizeof(v4.sin_addr);
        memcpy(pass->address, &v4.sin_addr, sizeof(v4.sin_addr));
    } else if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, peer, sizeof(v6));
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
        pass->address_len = is_v4 ? 4 : 8;
        memcpy(pass->address, v6.sin6_addr.s6_addr + (is_v4 ? 12 : 0), pass->address_len);
    }
}

static bool take_token(struct gate *gate, int64_t now_ms)
{
    int64_t rate = gate->limits.accepts_per_s;
    if (rate == 0) {
        return true;
    }
    if (now_ms > gate->filled_ms) {
        int64_t passed_ms = now_ms - gate->filled_ms;
        int64_t more = passed_ms < THOUSAND ? passed_ms * rate : rate * THOUSAND;
        gate->tokens += more;
        gate->tokens = gate->tokens > rate * THOUSAND ? rate * THOUSAND : gate->tokens;
        gate->filled_ms = now_ms;
    }
    if (gate->tokens < THOUSAND) {
        return false;
    }
    gate->tokens -= THOUSAND;
    return true;
}

static bool is_over(size_t count, unsigned limit)
{
    return limit > 0 && count >= limit;
}

/* @return NULL: it is not counted by address, or the first from there. */
static struct tally *find_tally(const struct gate *gate, const struct gate_pass *pass)
{
    return pass->address_len == 0 ? NULL
                                  : pl_map_find(gate->addresses, pass->address, pass->address_len);
}

/* @return false: there is no memory. */
static bool count_address(struct gate *gate, const struct gate_pass *pass)
{
    struct tally *tally = find_tally(gate, pass);
    if (tally == NULL && pass->address_len > 0) {
        tally = pl_calloc(1, sizeof(*tally));
        if (tally == NULL ||
            pl_map_put(gate->addresses, pass->address, pass->address_len, tally, NULL) != 0) {
            pl_free(tally);
            return false;
        }
    }
    if (tally != NULL) {
        tally->count++;
    }
    return true;
}

static const char *enter_locked(struct gate *gate, int64_t now_ms, struct gate_pass *pass)
{
    const struct tally *tally = find_tally(gate, pass);
    if (is_over(gate->count, gate->limits.connections_max)) {
        return "as many as may be are open";
    }
    if (is_over(gate->handshakes, gate->limits.handshakes_max)) {
        return "too many are still shaking hands";
    }
    if (tally != NULL && is_over(tally->count, gate->limits.per_address_max)) {
        return "its address has as many as it may";
    }
    /* Last: tokens are everybody's, and who is refused anyway takes none. */
    if (!take_token(gate, now_ms)) {
        return "they come too fast";
    }
    if (!count_address(gate, pass)) {
        return "no memory to count its address";
    }
    gate->count++;
    gate->handshakes++;
    pass->is_in = true;
    pass->is_shaking_hands = true;
    return NULL;
}

const char *gate_enter(struct gate *gate, const struct sockaddr *peer, int64_t now_ms,
                       struct gate_pass *pass)
{
    *pass = (struct gate_pass){.is_in = false};
    if (gate->limits.per_address_max > 0) {
        note_address(peer, pass);
    }
    (void)pthread_mutex_lock(&gate->mu);
    const char *why = enter_locked(gate, now_ms, pass);
    (void)pthread_mutex_unlock(&gate->mu);
    return why;
}

static void opened_locked(struct gate *gate, struct gate_pass *pass)
{
    if (pass->is_shaking_hands) {
        pass->is_shaking_hands = false;
        gate->handshakes--;
    }
}

void gate_opened(struct gate *gate, struct gate_pass *pass)
{
    (void)pthread_mutex_lock(&gate->mu);
    opened_locked(gate, pass);
    (void)pthread_mutex_unlock(&gate->mu);
}

static void forget_address(struct gate *gate, const struct gate_pass *pass)
{
    struct tally *tally = find_tally(gate, pass);
    if (tally != NULL) {
        tally->count--;
        if (tally->count == 0) {
            pl_free(pl_map_take(gate->addresses, pass->address, pass->address_len));
        }
    }
}

void gate_leave(struct gate *gate, struct gate_pass *pass)
{
    (void)pthread_mutex_lock(&gate->mu);
    if (pass->is_in) {
        opened_locked(gate, pass);
        pass->is_in = false;
        gate->count--;
        forget_address(gate, pass);
    }
    (void)pthread_mutex_unlock(&gate->mu);
}

size_t gate_count(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->mu);
    size_t count = gate->count;
    (void)pthread_mutex_unlock(&gate->mu);
    return count;
}
