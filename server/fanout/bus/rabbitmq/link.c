/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a broker; see link.h. */
#include "fanout/bus/rabbitmq/link.h"

#include "base/id.h"
#include "base/text.h"

#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define CONNECT_MS  2000
#define HEARTBEAT_S 2
#define STALLED_MS  2000
#define FRAME_MAX   131072
#define URL_MAX     512

static const struct timeval patience = {.tv_sec = CONNECT_MS / 1000};

static enum parley_code fail(struct pl_error *err, int status)
{
    return pl_fail(err, PARLEY_UNAVAILABLE, "%s", amqp_error_string2(status));
}

static enum parley_code fail_close(const amqp_method_t *method, struct pl_error *err)
{
    amqp_bytes_t text = amqp_empty_bytes;
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
        text = ((amqp_connection_close_t *)method->decoded)->reply_text;
    } else if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
        text = ((amqp_channel_close_t *)method->decoded)->reply_text;
    }
    return pl_fail(err, PARLEY_UNAVAILABLE, "the broker said: %.*s", (int)text.len,
                   text.len > 0 ? (const char *)text.bytes : "");
}

enum parley_code link_check(amqp_rpc_reply_t reply, struct pl_error *err)
{
    switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
        return PARLEY_OK;
    case AMQP_RESPONSE_SERVER_EXCEPTION:
        return fail_close(&reply.reply, err);
    default:
        return fail(err, reply.library_error);
    }
}

static enum parley_code make_socket(const struct link_options *options,
                                    amqp_connection_state_t link, bool is_tls, amqp_socket_t **out,
                                    struct pl_error *err)
{
    amqp_socket_t *made = is_tls ? amqp_ssl_socket_new(link) : amqp_tcp_socket_new(link);
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a socket");
    }
    *out = made;
    if (!is_tls) {
        return PARLEY_OK;
    }
    amqp_ssl_socket_set_verify_peer(made, true);
    amqp_ssl_socket_set_verify_hostname(made, true);
    int status = options->tls_ca != NULL ? amqp_ssl_socket_set_cacert(made, options->tls_ca) : 0;
    if (status == 0 && options->tls_cert != NULL) {
        status = amqp_ssl_socket_set_key(made, options->tls_cert, options->tls_key);
    }
    return status == 0 ? PARLEY_OK : fail(err, status);
}

/* The library writes without a time limit; the system ends the connection when the broker has taken
 * nothing for so long. */
static void limit_writes(amqp_connection_state_t link)
{
    const unsigned stalled_ms = STALLED_MS;
    (void)setsockopt(amqp_get_sockfd(link), IPPROTO_TCP, TCP_USER_TIMEOUT, &stalled_ms,
                     sizeof(stalled_ms));
}

static enum parley_code log_in(const struct link_options *options, amqp_connection_state_t link,
                               const struct amqp_connection_info *info, struct pl_error *err)
{
    bool is_given = options->credentials.kind == BUS_CREDENTIALS_USER;
    const char *user = is_given ? options->credentials.text : info->user;
    const char *password = is_given ? options->credentials.password : info->password;
    enum parley_code code =
        link_check(amqp_login(link, info->vhost, AMQP_DEFAULT_MAX_CHANNELS, FRAME_MAX, HEARTBEAT_S,
                              AMQP_SASL_METHOD_PLAIN, user, password),
                   err);
    if (code != PARLEY_OK) {
        return code;
    }
    (void)amqp_channel_open(link, LINK_CHANNEL);
    return link_check(amqp_get_rpc_reply(link), err);
}

static enum parley_code open_one(const struct link_options *options, const char *url,
                                 amqp_connection_state_t link, struct pl_error *err)
{
    struct amqp_connection_info info;
    amqp_socket_t *socket = NULL;
    char copy[URL_MAX];
    if (!pl_text_format(copy, sizeof(copy), "%s", url) || amqp_parse_url(copy, &info) != 0) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "not an AMQP URL");
    }
    (void)amqp_set_handshake_timeout(link, &patience);
    (void)amqp_set_rpc_timeout(link, &patience);
    enum parley_code code = make_socket(options, link, info.ssl != 0, &socket, err);
    if (code != PARLEY_OK) {
        return code;
    }
    int status = amqp_socket_open_noblock(socket, info.host, info.port, &patience);
    if (status != 0) {
        return fail(err, status);
    }
    limit_writes(link);
    return log_in(options, link, &info, err);
}

enum parley_code link_open(const struct link_options *options, amqp_connection_state_t *out,
                           struct pl_error *err)
{
    const struct bus_servers *servers = &options->servers;
    size_t first = (size_t)pl_random_below(servers->count);
    enum parley_code code = PARLEY_UNAVAILABLE;
    for (size_t i = 0; i < servers->count && code != PARLEY_OK; i++) {
        amqp_connection_state_t link = amqp_new_connection();
        if (link == NULL) {
            return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a connection");
        }
        code = open_one(options, servers->urls[(first + i) % servers->count], link, err);
        if (code == PARLEY_OK) {
            *out = link;
        } else {
            link_close(link);
        }
    }
    return code;
}

/* Says goodbye to a broker that is there, and waits for the answer as for any other. */
void link_close(amqp_connection_state_t link)
{
    if (link != NULL) {
        (void)amqp_destroy_connection(link);
    }
}
