/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses by getaddrinfo on a pool thread. @thread loop, but look_up: @thread pool. */

#include "transport/resolver.h"

#include "base/mem.h"
#include "transport/address.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#define NAMES_MAX 16 /* of one target */

struct name {
    char host[PL_HOST_MAX];
    char port[PL_PORT_MAX];
};

struct lookup {
    struct pl_work work;
    struct pl_mail mail; /* for what needs no pool */
    pl_resolved_fn on_resolved;
    void *owner;
    int flags; /* of getaddrinfo */
    int family;
    size_t name_count;
    struct name names[NAMES_MAX];
    struct pl_error err;
    size_t count;
    struct pl_address addresses[PL_ADDRESSES_MAX];
};

static void finish(struct lookup *lookup)
{
    lookup->on_resolved(lookup->owner, lookup->err.code, lookup->addresses, lookup->count,
                        &lookup->err);
    pl_free(lookup);
}

static void look_up_name(struct lookup *lookup, const struct name *name)
{
    const struct addrinfo hints = {.ai_family = lookup->family,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = lookup->flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(name->host, name->port, &hints, &found);
    if (failed == EAI_SYSTEM) {
        (void)pl_fail_errno(&lookup->err, PARLEY_UNAVAILABLE, errno, "cannot resolve \"%s\"",
                            name->host);
        return;
    }
    if (failed != 0) {
        (void)pl_fail(&lookup->err, PARLEY_UNAVAILABLE, "cannot resolve \"%s\": %s", name->host,
                      gai_strerror(failed));
        return;
    }
    for (const struct addrinfo *at = found; at != NULL && lookup->count < PL_ADDRESSES_MAX;
         at = at->ai_next) {
        struct pl_address *address = &lookup->addresses[lookup->count++];
        memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
        address->len = at->ai_addrlen;
    }
    freeaddrinfo(found);
}

static void look_up(struct pl_work *work)
{
    struct lookup *lookup = PL_CONTAINER_OF(work, struct lookup, work);
    for (size_t i = 0; i < lookup->name_count; i++) {
        look_up_name(lookup, &lookup->names[i]);
    }
    if (lookup->count > 0) {
        lookup->err = (struct pl_error)PL_ERROR_INIT;
    }
}

static void on_looked_up(struct pl_loop *loop, struct pl_work *work)
{
    (void)loop;
    finish(PL_CONTAINER_OF(work, struct lookup, work));
}

static void on_mail(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    finish(PL_CONTAINER_OF(mail, struct lookup, mail));
}

/* What follows `prefix` in the text, or NULL. */
static const char *after(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* One of the names of a list: the first `len` bytes of `text`. */
static enum parley_code parse_name(struct lookup *lookup, const char *text, size_t len,
                                   const char *default_port, struct pl_error *err)
{
    char part[PL_HOST_MAX + PL_PORT_MAX + 4];
    if (lookup->name_count == NAMES_MAX || len >= sizeof(part)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                       "a target of more than %d names, or with one that is too long", NAMES_MAX);
    }
    memcpy(part, text, len);
    part[len] = '\0';
    struct name *name = &lookup->names[lookup->name_count++];
    enum parley_code code = pl_address_split(part, name->host, name->port, err);
    if (code != PARLEY_OK || name->port[0] != '\0') {
        return code;
    }
    if (default_port == NULL || strlen(default_port) >= sizeof(name->port)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "a target without a port: \"%.100s\"", part);
    }
    memcpy(name->port, default_port, strlen(default_port) + 1);
    return PARLEY_OK;
}

/* "dns:", "ipv4:" and the like, or nothing. @return where the names begin; NULL: not supported */
static const char *parse_scheme(struct lookup *lookup, const char *target, struct pl_error *err)
{
    const char *authority = after(target, "dns://");
    lookup->family = AF_UNSPEC;
    lookup->flags = AI_ADDRCONFIG;
    if (authority != NULL) {
        if (authority[0] != '/') {
            (void)pl_fail(err, PARLEY_INVALID_ARGUMENT,
                          "a DNS server in a target is not supported: \"%.100s\"", target);
            return NULL;
        }
        return authority + 1;
    }
    if (after(target, "dns:") != NULL) {
        return after(target, "dns:");
    }
    if (after(target, "ipv4:") != NULL || after(target, "ipv6:") != NULL) {
        lookup->family = target[3] == '4' ? AF_INET : AF_INET6;
        lookup->flags = AI_NUMERICHOST;
        return target + 5;
    }
    return target;
}

static enum parley_code parse_target(struct lookup *lookup, const char *target,
                                     const char *default_port, struct pl_error *err)
{
    const char *rest = parse_scheme(lookup, target, err);
    enum parley_code code = rest == NULL ? PARLEY_INVALID_ARGUMENT : PARLEY_OK;
    while (code == PARLEY_OK && rest != NULL) {
        const char *comma = strchr(rest, ',');
        size_t len = comma == NULL ? strlen(rest) : (size_t)(comma - rest);
        code = parse_name(lookup, rest, len, default_port, err);
        rest = comma == NULL ? NULL : comma + 1;
    }
    return code;
}

static const char *unix_path(const char *target)
{
    const char *path = after(target, "unix://"); /* unix:///path: an empty authority */
    return path != NULL ? path : after(target, "unix:");
}

enum parley_code pl_resolve(struct pl_loop *loop, const char *target, const char *default_port,
                            pl_resolved_fn on_resolved, void *owner, struct pl_error *err)
{
    struct lookup *lookup = pl_calloc(1, sizeof(*lookup));
    if (lookup == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory to resolve a name");
    }
    lookup->on_resolved = on_resolved;
    lookup->owner = owner;
    lookup->work = (struct pl_work){.run = look_up, .done = on_looked_up};
    lookup->mail.deliver = on_mail;
    const char *path = unix_path(target);
    enum parley_code code = PARLEY_OK;
    if (path != NULL) {
        code = pl_address_from_path(path, &lookup->addresses[0], err);
        lookup->count = 1;
    } else {
        code = parse_target(lookup, target, default_port, err);
    }
    if (code == PARLEY_OK && path == NULL && pl_loop_work(loop, &lookup->work) != 0) {
        code = pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory to resolve a name");
    }
    if (code != PARLEY_OK) {
        pl_free(lookup);
        return code;
    }
    if (path != NULL) {
        pl_loop_post(loop, &lookup->mail);
    }
    return PARLEY_OK;
}
