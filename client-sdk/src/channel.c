/* SPDX-License-Identifier: Apache-2.0 */
/* A channel's life: options, its thread, the application-driven form, the end. Connections are in
 * link.c, pick_first.c and round_robin.c, calls in call.c. */
#include "channel_impl.h"

#include "call_impl.h"
#include "error_impl.h"
#include "sized.h"

#include "base/mem.h"
#include "base/text.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

#define USER_AGENT         "grpc-c-parley/0.1.0"
#define DEFAULT_TIMEOUT_MS 30000

static void *run_thread(void *argument)
{
    parley_channel *channel = argument;
    pl_loop_run(channel->loop);
    return NULL;
}

/* The thread takes no signals: they are the application's. */
static int start_thread(parley_channel *channel)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&channel->thread, NULL, run_thread, channel);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    channel->has_thread = failed == 0;
    return failed;
}

/* "dns:///host:port" -> "host:port": what :authority and the certificate are about. */
static const char *target_authority(const char *target)
{
    static const char *const prefixes[] = {"dns:///", "dns:", "ipv4:", "ipv6:"};
    for (size_t i = 0; i < PL_COUNT(prefixes); i++) {
        if (strncmp(target, prefixes[i], strlen(prefixes[i])) == 0) {
            return target + strlen(prefixes[i]);
        }
    }
    return strncmp(target, "unix:", 5) == 0 ? "localhost" : target;
}

static char *host_of(const char *authority)
{
    const char *end = strrchr(authority, ':');
    if (authority[0] == '[' && strchr(authority, ']') != NULL) {
        return pl_strndup(authority + 1, (size_t)(strchr(authority, ']') - authority - 1));
    }
    return end == NULL ? pl_strdup(authority) : pl_strndup(authority, (size_t)(end - authority));
}

static enum parley_code set_up_tls(parley_channel *channel, const parley_channel_options *options,
                                   struct pl_error *err)
{
    if (!options->use_tls) {
        return PARLEY_OK;
    }
    char *host = host_of(channel->authority);
    if (host == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    struct pl_tls_client_options tls = {
        .ca_file = options->ca_file,
        .server_name = options->server_name != NULL ? options->server_name : host,
        .cert_file = options->cert_file,
        .key_file = options->key_file,
    };
    enum parley_code code = pl_tls_client_new(&tls, &channel->tls, err);
    pl_free(host);
    return code;
}

/* RFC 6750 section 2.1: printable, without blanks. */
static bool is_token(const char *token)
{
    size_t len = 0;
    while (token[len] > ' ' && token[len] <= '~') {
        len++;
    }
    return len > 0 && token[len] == '\0';
}

/* @param metadata  owned; NULL without a token, and on failure */
static enum parley_code make_token_metadata(const char *token, parley_metadata **metadata,
                                            struct pl_error *err)
{
    char value[8192];
    *metadata = NULL;
    if (token == NULL) {
        return PARLEY_OK;
    }
    if (!is_token(token) || !pl_text_format(value, sizeof(value), "Bearer %s", token)) {
        return pl_fail_field(err, "token", "the token is no printable text of up to 8 KiB");
    }
    parley_metadata *made = parley_metadata_new();
    if (made == NULL || parley_metadata_add(made, "authorization", value) != 0) {
        parley_metadata_free(made);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    *metadata = made;
    return PARLEY_OK;
}

/* "a:1,b:2": what the certificate and :authority are about is the first of them. */
static char *first_authority(const char *target)
{
    const char *authority = target_authority(target);
    return pl_strndup(authority, strcspn(authority, ","));
}

static enum parley_code set_up_text(parley_channel *channel, const char *target,
                                    const parley_channel_options *options, struct pl_error *err)
{
    char agent[256];
    bool has_own = options->user_agent != NULL;
    channel->target = pl_strdup(target);
    channel->authority = first_authority(target);
    (void)pl_text_format(agent, sizeof(agent), "%s%s%s", has_own ? options->user_agent : "",
                         has_own ? " " : "", USER_AGENT);
    channel->user_agent = pl_strdup(agent);
    if (channel->target == NULL || channel->authority == NULL || channel->user_agent == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    return make_token_metadata(options->token, &channel->token_metadata, err);
}

static enum parley_code set_up(parley_channel *channel, const char *target,
                               const parley_channel_options *options, struct pl_error *err)
{
    enum parley_code code = set_up_text(channel, target, options, err);
    if (code == PARLEY_OK) {
        code = set_up_tls(channel, options, err);
    }
    if (code == PARLEY_OK) {
        code = pl_loop_new(&channel->loop, err);
    }
    if (code == PARLEY_OK) {
        code = pl_io_new(channel->loop, &channel->io, err);
    }
    if (code == PARLEY_OK && !channel->is_driven && start_thread(channel) != 0) {
        code = pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no thread can be started");
    }
    return code;
}

static void free_parts(parley_channel *channel)
{
    pl_io_free(channel->io);
    pl_loop_free(channel->loop);
    pl_tls_unref(channel->tls);
    parley_metadata_free(channel->token_metadata);
    parley_error_free(channel->last_error);
    pl_free(channel->target);
    pl_free(channel->authority);
    pl_free(channel->user_agent);
    (void)pthread_mutex_destroy(&channel->shared.mu);
    pl_free(channel);
}

parley_error *parley_channel_new(const char *target, const parley_channel_options *options,
                                 parley_channel **channel)
{
    struct pl_error err = PL_ERROR_INIT;
    parley_channel_options chosen = {.size = sizeof(chosen)};
    *channel = NULL;
    if (target == NULL || target[0] == '\0') {
        return sdk_error(PARLEY_INVALID_ARGUMENT, "a channel needs a target, as \"host:port\"");
    }
    if (options != NULL && !sized_copy(&chosen, sizeof(chosen), options)) {
        return sdk_error(PARLEY_INVALID_ARGUMENT, "the size of parley_channel_options is not set");
    }
    parley_channel *made = pl_calloc(1, sizeof(*made));
    if (made == NULL) {
        return sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    (void)pthread_mutex_init(&made->shared.mu, NULL);
    made->options = chosen;
    made->is_driven = chosen.is_driven;
    made->replace.run = channel_replace_waiting;
    pl_list_init(&made->waiting);
    pl_list_init(&made->active);
    pl_list_init(&made->resting);
    pl_list_init(&made->links);
    pl_list_init(&made->watches);
    pl_list_init(&made->robin.peers);
    made->balancer = chosen.balancing == PARLEY_ROUND_ROBIN ? &round_robin_ops : &pick_first_ops;
    retry_policy_init(&made->retry, chosen.retry);
    retry_throttle_init(&made->throttle, chosen.retry_tokens_max, chosen.retry_token_ratio);
    if (chosen.keepalive_ms > 0) {
        made->keepalive_ms =
            chosen.keepalive_ms > sdk_keepalive_min_ms ? chosen.keepalive_ms : sdk_keepalive_min_ms;
    }
    if (set_up(made, target, &chosen, &err) != PARLEY_OK) {
        free_parts(made);
        return sdk_error_from(&err);
    }
    *channel = made;
    return NULL;
}

int64_t channel_default_timeout_ms(const parley_channel *channel)
{
    return channel->options.default_timeout_ms > 0 ? channel->options.default_timeout_ms
                                                   : DEFAULT_TIMEOUT_MS;
}

void channel_set_state(parley_channel *channel, parley_channel_state state)
{
    (void)pthread_mutex_lock(&channel->shared.mu);
    bool changed = channel->shared.state != state;
    channel->shared.state = state;
    (void)pthread_mutex_unlock(&channel->shared.mu);
    if (!changed) {
        return;
    }
    if (channel->on_state != NULL) {
        channel->on_state(channel->on_state_user, state);
    }
    PL_LIST_FOREACH (node, &channel->watches) {
        struct channel_watch *watch = PL_LIST_ENTRY(node, struct channel_watch, node);
        watch->on_state(watch);
    }
}

void channel_remember_error(parley_channel *channel, const struct pl_error *cause)
{
    parley_error_free(channel->last_error);
    channel->last_error = sdk_error(PARLEY_UNAVAILABLE, "%s: %s", channel->target,
                                    cause->text[0] == '\0' ? "connection closed" : cause->text);
}

void channel_remember_no_memory(parley_channel *channel)
{
    struct pl_error err = PL_ERROR_INIT;
    (void)pl_fail(&err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    channel_remember_error(channel, &err);
}

/* ---- orders from other threads ---- */

struct errand {
    struct pl_mail mail;
    parley_channel *channel;
    parley_metadata *metadata;
};

static void deliver_close(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    parley_channel *channel = PL_CONTAINER_OF(mail, struct errand, mail)->channel;
    channel->is_closing = true;
    channel_cancel_calls(channel);
    pl_loop_cancel_turn_end(&channel->replace);
    channel->balancer->stop(channel);
    channel_stop_resolving(channel);
    channel_close_links(channel);
    channel_set_state(channel, PARLEY_CHANNEL_SHUTDOWN);
}

static void deliver_token(struct pl_loop *loop, struct pl_mail *mail)
{
    struct errand *errand = PL_CONTAINER_OF(mail, struct errand, mail);
    (void)loop;
    parley_metadata_free(errand->channel->token_metadata);
    errand->channel->token_metadata = errand->metadata;
    pl_free(errand);
}

/* Drive the loop here until every link is gone and every call was told its end, those included that
 * were started by the callbacks of others; a thread of its own has been stopped before. */
static void run_down(parley_channel *channel)
{
    while (!pl_list_is_empty(&channel->links) || channel->names.is_resolving ||
           atomic_load(&channel->call_count) > 0) {
        struct pollfd wait = {.fd = pl_loop_fd(channel->loop), .events = POLLIN};
        (void)poll(&wait, 1, pl_loop_wait_ms(channel->loop));
        pl_loop_turn(channel->loop);
    }
}

void parley_channel_free(parley_channel *channel)
{
    if (channel == NULL) {
        return;
    }
    struct errand closing = {.mail = {.deliver = deliver_close}, .channel = channel};
    pl_loop_post(channel->loop, &closing.mail);
    if (channel->has_thread) {
        pl_loop_stop(channel->loop);
        (void)pthread_join(channel->thread, NULL);
    }
    while (!channel->is_closing) {
        pl_loop_turn(channel->loop);
    }
    run_down(channel);
    free_parts(channel);
}

parley_error *parley_channel_set_token(parley_channel *channel, const char *token)
{
    struct pl_error err = PL_ERROR_INIT;
    struct errand *errand = pl_calloc(1, sizeof(*errand));
    if (errand == NULL) {
        return sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    errand->mail.deliver = deliver_token;
    errand->channel = channel;
    if (make_token_metadata(token, &errand->metadata, &err) != PARLEY_OK) {
        pl_free(errand);
        return sdk_error_from(&err);
    }
    pl_loop_post(channel->loop, &errand->mail);
    return NULL;
}

static void deliver_connect(struct pl_loop *loop, struct pl_mail *mail)
{
    struct errand *errand = PL_CONTAINER_OF(mail, struct errand, mail);
    (void)loop;
    if (!errand->channel->is_closing) {
        errand->channel->balancer->want(errand->channel);
    }
    pl_free(errand);
}

void parley_channel_connect(parley_channel *channel)
{
    struct errand *errand = pl_calloc(1, sizeof(*errand));
    if (errand == NULL) {
        return; /* the first call connects */
    }
    errand->mail.deliver = deliver_connect;
    errand->channel = channel;
    pl_loop_post(channel->loop, &errand->mail);
}

parley_channel_state parley_channel_get_state(parley_channel *channel)
{
    (void)pthread_mutex_lock(&channel->shared.mu);
    parley_channel_state state = channel->shared.state;
    (void)pthread_mutex_unlock(&channel->shared.mu);
    return state;
}

size_t parley_channel_waiting_calls(parley_channel *channel)
{
    return atomic_load(&channel->waiting_count);
}

void parley_channel_watch_state(parley_channel *channel,
                                void (*on_state)(void *user, parley_channel_state state),
                                void *user)
{
    channel->on_state_user = user;
    channel->on_state = on_state;
}

int parley_channel_fd(parley_channel *channel)
{
    return pl_loop_fd(channel->loop);
}

int parley_channel_wait_ms(parley_channel *channel)
{
    return pl_loop_wait_ms(channel->loop);
}

void parley_channel_process(parley_channel *channel)
{
    pl_loop_turn(channel->loop);
}
