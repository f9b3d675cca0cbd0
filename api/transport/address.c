/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as text and back; never asks DNS. @thread any */

#include "transport/address.h"

#include "base/text.h"
#include "transport/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#define UNIX_PREFIX     "unix:"
#define UNIX_PREFIX_LEN 5

static enum parley_code copy_part(char *out, size_t size, const char *part, size_t len,
                                  struct pl_error *err)
{
    if (len >= size) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "an address has a part of %zu bytes", len);
    }
    memcpy(out, part, len);
    out[len] = '\0';
    return PARLEY_OK;
}

static enum parley_code check_port(const char *port, struct pl_error *err)
{
    int64_t number = 0;
    if (!pl_text_to_i64(port, 0, 65535, &number)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "not a port: \"%s\"", port);
    }
    return PARLEY_OK;
}

enum parley_code pl_address_split(const char *text, char host[PL_HOST_MAX], char port[PL_PORT_MAX],
                                  struct pl_error *err)
{
    const char *host_start = text;
    const char *host_end = NULL;
    const char *rest = NULL; /* "" or ":port" */
    const char *first_colon = strchr(text, ':');
    if (text[0] == '[') {
        host_start = text + 1;
        host_end = strchr(text, ']');
        if (host_end == NULL || (host_end[1] != '\0' && host_end[1] != ':')) {
            return pl_fail(err, PARLEY_INVALID_ARGUMENT, "not an address: \"%.100s\"", text);
        }
        rest = host_end + 1;
    } else if (first_colon != NULL && strchr(first_colon + 1, ':') == NULL) {
        host_end = first_colon;
        rest = first_colon;
    } else { /* no colon, or several: IPv6 without brackets and port */
        host_end = text + strlen(text);
        rest = host_end;
    }
    if (host_end == host_start) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "an address without a host: \"%.100s\"", text);
    }
    enum parley_code code =
        copy_part(host, PL_HOST_MAX, host_start, (size_t)(host_end - host_start), err);
    if (code != PARLEY_OK) {
        return code;
    }
    if (rest[0] == '\0') {
        port[0] = '\0';
        return PARLEY_OK;
    }
    code = copy_part(port, PL_PORT_MAX, rest + 1, strlen(rest + 1), err);
    return code == PARLEY_OK ? check_port(port, err) : code;
}

enum parley_code pl_address_from_path(const char *path, struct pl_address *address,
                                      struct pl_error *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(name.sun_path)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "a socket path must have 1 to %zu bytes",
                       sizeof(name.sun_path) - 1);
    }
    memcpy(name.sun_path, path, len + 1);
    memset(address, 0, sizeof(*address));
    memcpy(&address->storage, &name, sizeof(name));
    address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return PARLEY_OK;
}

enum parley_code pl_address_parse(const char *text, struct pl_address *address,
                                  struct pl_error *err)
{
    if (strncmp(text, UNIX_PREFIX, UNIX_PREFIX_LEN) == 0) {
        return pl_address_from_path(text + UNIX_PREFIX_LEN, address, err);
    }
    char host[PL_HOST_MAX];
    char port[PL_PORT_MAX];
    enum parley_code code = pl_address_split(text, host, port, err);
    if (code != PARLEY_OK) {
        return code;
    }
    if (port[0] == '\0') {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "an address without a port: \"%.100s\"", text);
    }
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "not a numeric address: \"%.100s\" (%s)", text,
                       gai_strerror(failed));
    }
    memset(address, 0, sizeof(*address));
    memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
    address->len = found->ai_addrlen;
    freeaddrinfo(found);
    return PARLEY_OK;
}

void pl_address_format(const struct pl_address *address, char *out)
{
    char host[64];
    char port[PL_PORT_MAX];
    sa_family_t family = address->storage.ss_family;
    if (family != AF_INET && family != AF_INET6) {
        (void)pl_text_format(out, PL_PEER_MAX, "%s", family == AF_UNIX ? "unix" : "unknown");
        return;
    }
    if (getnameinfo((const struct sockaddr *)&address->storage, address->len, host, sizeof(host),
                    port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        (void)pl_text_format(out, PL_PEER_MAX, "unknown");
        return;
    }
    (void)pl_text_format(out, PL_PEER_MAX, family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static bool is_loopback_v6(const struct in6_addr *host)
{
    /* ::ffff:127.x.y.z is IPv4's loopback. */
    return IN6_IS_ADDR_LOOPBACK(host) || (IN6_IS_ADDR_V4MAPPED(host) && host->s6_addr[12] == 127);
}

enum parley_code pl_address_is_loopback(const char *text, bool *is_loopback, struct pl_error *err)
{
    struct pl_address address;
    enum parley_code code = pl_address_parse(text, &address, err);
    if (code != PARLEY_OK) {
        return code;
    }
    if (address.storage.ss_family == AF_INET) {
        struct sockaddr_in name;
        memcpy(&name, &address.storage, sizeof(name));
        *is_loopback = (ntohl(name.sin_addr.s_addr) >> 24) == 127;
    } else if (address.storage.ss_family == AF_INET6) {
        struct sockaddr_in6 name;
        memcpy(&name, &address.storage, sizeof(name));
        *is_loopback = is_loopback_v6(&name.sin6_addr);
    } else {
        *is_loopback = true;
    }
    return PARLEY_OK;
}
