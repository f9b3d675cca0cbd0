/* SPDX-License-Identifier: Apache-2.0 */
/* The application's own event loop drives the channel: no thread, and every callback runs inside
 * parley_channel_process. Each line of the standard input becomes a message.
 *
 *     own_loop TARGET CONVERSATION          the token comes from $PARLEY_TOKEN */
#include <parley/client.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct app {
    parley_client *client;
    const char *conversation;
    unsigned unsent;
    int failed;
};

static void complain(struct app *app, const parley_error *error)
{
    (void)fprintf(stderr, "%s\n", parley_error_message(error));
    app->failed = 1;
}

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct app *app = user;
    app->unsent--;
    if (error == NULL) {
        printf("number %" PRId64 "\n", receipt->seq);
    } else {
        complain(app, error);
    }
}

static void send_line(struct app *app, const char *line, size_t len)
{
    parley_outgoing message = {.size = sizeof(message), .body = line, .body_len = len};
    message.conversation_id = app->conversation;
    parley_error *error = parley_client_send(app->client, &message, on_sent, app);
    if (error == NULL) {
        app->unsent++;
    } else {
        complain(app, error);
        parley_error_free(error);
    }
}

/* Returns 0 at the end of the input, or of patience: a line of 4 KiB. */
static int read_lines(struct app *app)
{
    static char text[4096];
    static size_t len;
    ssize_t got = read(STDIN_FILENO, text + len, sizeof(text) - len);
    len += got > 0 ? (size_t)got : 0;
    for (char *end = memchr(text, '\n', len); end != NULL; end = memchr(text, '\n', len)) {
        send_line(app, text, (size_t)(end - text));
        len -= (size_t)(end - text) + 1;
        memmove(text, end + 1, len);
    }
    return got > 0;
}

int main(int argc, char **argv)
{
    parley_channel_options options = {
        .size = sizeof(options), .is_driven = true, .token = getenv("PARLEY_TOKEN")};
    struct app app = {.conversation = argc == 3 ? argv[2] : ""};
    parley_channel *channel = NULL;
    int is_open = 1;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s TARGET CONVERSATION\n", argv[0]);
        return 2;
    }
    parley_error *error = parley_channel_new(argv[1], &options, &channel);
    error = error == NULL ? parley_client_new(channel, NULL, &app.client) : error;
    while (error == NULL && (is_open || app.unsent > 0)) {
        struct pollfd fds[] = {
            {.fd = parley_channel_fd(channel), .events = POLLIN},
            {.fd = is_open ? STDIN_FILENO : -1, .events = POLLIN},
        };
        (void)poll(fds, 2, parley_channel_wait_ms(channel));
        if (fds[1].revents != 0) {
            is_open = read_lines(&app);
        }
        parley_channel_process(channel);
    }
    if (error != NULL) {
        complain(&app, error);
    }
    parley_error_free(error);
    parley_client_free(app.client);
    parley_channel_free(channel);
    return app.failed;
}
