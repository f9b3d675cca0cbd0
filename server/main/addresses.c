/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about addresses; see addresses.h. */
#include "main/addresses.h"

#include "base/text.h"
#include "transport/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static enum parley_code check_one(const char *key, const char *address, struct pl_error *err)
{
    bool is_loopback = false;
    enum parley_code code = pl_address_is_loopback(address, &is_loopback, err);
    if (code != PARLEY_OK) {
        return pl_error_wrap(err, "%s: ", key);
    }
    if (!is_loopback) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                       "%s = %s can be reached from other machines, and there is no TLS: give "
                       "--tls-cert and --tls-key, or listen on 127.0.0.1, or say --insecure if "
                       "nobody can listen in",
                       key, address);
    }
    return PARLEY_OK;
}

enum parley_code addresses_check(const struct config *config, struct pl_error *err)
{
    if (config->insecure || config->tls_cert[0] != '\0') {
        return PARLEY_OK;
    }
    enum parley_code code = check_one("listen", config->listen, err);
    return code == PARLEY_OK ? check_one("admin", config->admin, err) : code;
}

/* "127.0.0.1:80" or "[::1]:80" to a socket address; 0: it is a unix socket or has port 0. */
static socklen_t parse(const char *address, struct sockaddr_storage *out)
{
    char host[INET6_ADDRSTRLEN];
    const char *colon = strrchr(address, ':');
    int64_t port = 0;
    if (colon == NULL || !pl_text_to_i64(colon + 1, 1, 65535, &port)) {
        return 0;
    }
    bool is_v6 = address[0] == '[';
    int len = (int)(colon - address) - (is_v6 ? 2 : 0);
    (void)pl_text_format(host, sizeof(host), "%.*s", len, address + (is_v6 ? 1 : 0));
    *out = (struct sockaddr_storage){.ss_family = is_v6 ? AF_INET6 : AF_INET};
    if (is_v6) {
        struct sockaddr_in6 *v6 = (void *)out;
        v6->sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 ? sizeof(*v6) : 0;
    }
    struct sockaddr_in *v4 = (void *)out;
    v4->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? sizeof(*v4) : 0;
}

enum parley_code addresses_check_free(const char *address, struct pl_error *err)
{
    struct sockaddr_storage where;
    socklen_t len = parse(address, &where);
    if (len == 0) {
        return PARLEY_OK;
    }
    int fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot open a socket");
    }
    /* Without SO_REUSEPORT, as opposed to the listeners; with SO_REUSEADDR, so that connections of
     * an earlier run that linger do not count. */
    int one = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int failed = bind(fd, (const struct sockaddr *)&where, len) == 0 ? 0 : errno;
    (void)close(fd);
    if (failed != 0) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, failed, "cannot listen on %s", address);
    }
    return PARLEY_OK;
}

enum parley_code addresses_write(const char *path, const char *listen, const char *admin,
                                 struct pl_error *err)
{
    char draft[4096];
    if (!pl_text_format(draft, sizeof(draft), "%s.%ld", path, (long)getpid())) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "the path of the addresses file is too long");
    }
    FILE *file = fopen(draft, "we");
    if (file == NULL) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot make %.120s", draft);
    }
    bool is_written = fprintf(file, "listen=%s\nadmin=%s\n", listen, admin) > 0;
    is_written = fclose(file) == 0 && is_written;
    if (!is_written || rename(draft, path) != 0) {
        int failed = errno;
        (void)unlink(draft);
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, failed, "cannot write %.120s", path);
    }
    return PARLEY_OK;
}
