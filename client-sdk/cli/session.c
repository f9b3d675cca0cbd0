/* SPDX-License-Identifier: Apache-2.0 */
/* See session.h. */
#include "session.h"

#include "interrupt.h"
#include "report.h"

#include "parley/v1/conversation_service.client.parley.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_BYTES_MAX    8192
#define OUTBOX_BYTES_MAX   (128 * 1024 * 1024) /* PENDING_MAX bounds it first */
#define BACKOFF_INITIAL_MS 250
#define BACKOFF_MAX_MS     5000
#define KEEPALIVE_MS       20000
#define POLL_EXTRA_MAX     2

/* The file may come from a pipe, as <(parleyd token ...), so it is read to its end. */
static int read_token(const struct invocation *invocation, char **token)
{
    const char *path = invocation->options.token_file;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = calloc(1, TOKEN_BYTES_MAX + 1);
    size_t len = 0;
    ssize_t got = fd < 0 || text == NULL ? -1 : 1;
    while (got > 0 && len < TOKEN_BYTES_MAX) {
        got = read(fd, text + len, TOKEN_BYTES_MAX - len);
        len += got > 0 ? (size_t)got : 0;
    }
    int failure = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (got < 0) {
        free(text);
        return report_failure(invocation, PARLEY_UNAUTHENTICATED,
                              "cannot read the token file %.200s: %s", path, strerror(failure));
    }
    text[strcspn(text, " \r\n\t")] = '\0';
    *token = text;
    return EXIT_OK;
}

static int choose_token(struct session *session)
{
    const struct options *options = &session->invocation->options;
    if (options->token == NULL && options->token_file != NULL) {
        int exit_code = read_token(session->invocation, &session->token);
        if (exit_code != EXIT_OK) {
            return exit_code;
        }
    } else if (options->token != NULL) {
        session->token = strdup(options->token);
    }
    if (session->token == NULL || session->token[0] == '\0') {
        return report_failure(session->invocation, PARLEY_UNAUTHENTICATED,
                              session->token == NULL ? "no token says who you are"
                                                     : "the token is empty");
    }
    return EXIT_OK;
}

static void on_state(void *user, parley_channel_state state)
{
    struct session *session = user;
    session->was_ready = session->was_ready || state == PARLEY_CHANNEL_READY;
    session->is_unreachable = !session->was_ready && (session->is_unreachable ||
                                                      state == PARLEY_CHANNEL_TRANSIENT_FAILURE);
}

static parley_error *connect_channel(struct session *session, bool is_driven)
{
    const struct options *options = &session->invocation->options;
    const parley_channel_options channel = {
        .size = sizeof(channel),
        .is_driven = is_driven,
        .use_tls = options->has_tls || options->ca != NULL,
        .ca_file = options->ca,
        .server_name = options->server_name,
        .cert_file = options->cert,
        .key_file = options->key,
        .token = session->token,
        .user_agent = "parley",
        .default_timeout_ms = options->timeout_ms,
        .connect_timeout_ms = options->timeout_ms,
        .backoff_initial_ms = BACKOFF_INITIAL_MS,
        .backoff_max_ms = BACKOFF_MAX_MS,
        .keepalive_ms = KEEPALIVE_MS,
    };
    const parley_client_options client = {
        .size = sizeof(client),
        .send_timeout_ms = options->timeout_ms,
        .outbox_bytes_max = OUTBOX_BYTES_MAX,
    };
    parley_error *error = parley_channel_new(options->server, &channel, &session->channel);
    if (error == NULL && is_driven) {
        parley_channel_watch_state(session->channel, on_state, session);
    }
    return error != NULL ? error : parley_client_new(session->channel, &client, &session->client);
}

int session_open(const struct invocation *invocation, enum session_kind kind,
                 struct session *session)
{
    *session = (struct session){.invocation = invocation};
    if (kind == SESSION_DRIVEN && !interrupt_start()) {
        return report_failure(invocation, PARLEY_INTERNAL, "cannot catch signals: %s",
                              strerror(errno));
    }
    int exit_code = choose_token(session);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    parley_error *error = connect_channel(session, kind == SESSION_DRIVEN);
    return error == NULL ? EXIT_OK : report_error(invocation, error);
}

void session_close(struct session *session)
{
    parley_client_free(session->client);
    parley_channel_free(session->channel);
    free(session->token);
}

void session_turn(struct session *session, struct pollfd *extra, nfds_t count)
{
    struct pollfd fds[2 + POLL_EXTRA_MAX] = {
        {.fd = parley_channel_fd(session->channel), .events = POLLIN},
        {.fd = interrupt_fd(), .events = POLLIN},
    };
    if (count > 0) {
        memcpy(fds + 2, extra, count * sizeof(*extra));
    }
    if (poll(fds, 2 + count, parley_channel_wait_ms(session->channel)) < 0) {
        for (size_t i = 0; i < 2 + count; i++) {
            fds[i].revents = 0;
        }
    }
    if (count > 0) {
        memcpy(extra, fds + 2, count * sizeof(*extra));
    }
    interrupt_drain();
    parley_channel_process(session->channel);
}

struct reason {
    const struct invocation *invocation;
    bool is_told;
    int exit_code;
};

static void on_reason(void *user, const parley_error *error,
                      const Parley__V1__ListConversationsResponse *response,
                      const parley_metadata *trailers)
{
    struct reason *reason = user;
    (void)response;
    (void)trailers;
    reason->is_told = true;
    reason->exit_code = error == NULL ? report_failure(reason->invocation, PARLEY_UNAVAILABLE,
                                                       "the server could not be reached in time")
                                      : report_borrowed_error(reason->invocation, error);
}

int session_report_unreachable(struct session *session)
{
    struct reason reason = {.invocation = session->invocation};
    Parley__V1__ListConversationsRequest request = PARLEY__V1__LIST_CONVERSATIONS_REQUEST__INIT;
    /* A call that does not wait for a connection fails with the reason why there is none. */
    if (parley_v1_ConversationService_ListConversations_async(session->channel, NULL, &request,
                                                              on_reason, &reason) == NULL) {
        return report_failure(session->invocation, PARLEY_UNAVAILABLE, "out of memory");
    }
    while (!reason.is_told) {
        session_turn(session, NULL, 0);
    }
    return reason.exit_code;
}

char *session_field(const char *text)
{
    return (char *)(uintptr_t)(text == NULL ? "" : text);
}
