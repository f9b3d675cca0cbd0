/* SPDX-License-Identifier: Apache-2.0 */
/* parleyd serve: run a node until a signal says otherwise.
 *
 *   starting --ready--> serving --SIGTERM, SIGINT--> draining --calls have ended--> left
 *
 * Signals and the admin server live on a loop of their own, so that they work whatever the others
 * do; it tells the main thread, which waits, what is wanted. A signal while starting, and a second
 * one while draining, quit at once: nothing is lost by that, since what was acked is on disk. */
#include "admin/admin.h"
#include "base/log.h"
#include "core/log_sink.h"
#include "core/loops.h"
#include "core/metrics_text.h"
#include "core/signals.h"
#include "main/addresses.h"
#include "main/command.h"
#include "main/node.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct serving {
    int argc;
    char **argv;
    const struct config_extra *extras;
    size_t extra_count;
    struct config *config;  /* that the node was opened with */
    struct config *current; /* after the last reload; config, if there was none */
    struct log_sink *sink;
    struct loops *side; /* one loop: signals and admin */
    struct signals *signals;
    struct admin *admin;
    struct node *node;
    const char *addresses_file;
    enum parley_code code; /* of what ran on the side loop */
    struct pl_error error;
    atomic_bool is_ready;
    struct {
        pthread_mutex_t mu;
        pthread_cond_t changed;
        bool wants_drain;
        bool wants_reload;
    } shared;
};

/* ---- signals; on the side loop ---- */

static void quit_now(const char *why)
{
    pl_log_warn("SERVER_QUITS", NULL, "%s", why);
    _exit(EXIT_FORCED);
}

static void on_signal(void *context, int number)
{
    struct serving *serving = context;
    if (number != SIGHUP && !atomic_load(&serving->is_ready)) {
        quit_now("a signal came while starting");
    }
    (void)pthread_mutex_lock(&serving->shared.mu);
    bool is_second = number != SIGHUP && serving->shared.wants_drain;
    serving->shared.wants_drain = serving->shared.wants_drain || number != SIGHUP;
    serving->shared.wants_reload = serving->shared.wants_reload || number == SIGHUP;
    (void)pthread_cond_signal(&serving->shared.changed);
    (void)pthread_mutex_unlock(&serving->shared.mu);
    if (is_second) {
        quit_now("a second signal came; the drain is not over");
    }
}

/* Wait for a signal. Returns true: reload; false: drain. @thread main */
static bool wait_for_reload(struct serving *serving)
{
    (void)pthread_mutex_lock(&serving->shared.mu);
    while (!serving->shared.wants_drain && !serving->shared.wants_reload) {
        (void)pthread_cond_wait(&serving->shared.changed, &serving->shared.mu);
    }
    bool is_reload = !serving->shared.wants_drain;
    serving->shared.wants_reload = false;
    (void)pthread_mutex_unlock(&serving->shared.mu);
    return is_reload;
}

/* ---- the side loop ---- */

static void open_side(struct pl_loop *loop, void *context)
{
    struct serving *serving = context;
    const struct admin_options options = {
        .address = serving->config->admin,
        .connections_max = (unsigned)serving->config->limits_admin_connections,
    };
    serving->code = signals_open(loop, on_signal, serving, &serving->signals, &serving->error);
    if (serving->code == PARLEY_OK) {
        serving->code = admin_open(loop, &options, &serving->admin, &serving->error);
    }
}

static void close_side(struct pl_loop *loop, void *context)
{
    struct serving *serving = context;
    (void)loop;
    admin_close(serving->admin);
    signals_close(serving->signals);
}

static enum parley_code start_side(struct serving *serving, struct pl_error *err)
{
    enum parley_code code = loops_new(1, &serving->side, err);
    if (code != PARLEY_OK) {
        return code;
    }
    loops_set_name(serving->side, "admin");
    code = loops_start(serving->side, err);
    if (code != PARLEY_OK) {
        loops_free(serving->side);
        serving->side = NULL;
        return code;
    }
    loops_call(serving->side, 0, open_side, serving);
    if (serving->code != PARLEY_OK) {
        *err = serving->error;
    }
    return serving->code;
}

static void stop_side(struct serving *serving)
{
    if (serving->side != NULL) {
        loops_call(serving->side, 0, close_side, serving);
        loops_free(serving->side);
    }
}

/* ---- start, reload, end; on the main thread ---- */

static void start_logs(struct serving *serving)
{
    const struct log_sink_options options = {
        .fd = STDERR_FILENO, .format = (enum log_format)serving->config->log_format};
    serving->sink = log_sink_new(&options);
    pl_log_set_sink(log_sink_write, serving->sink, (enum pl_log_level)serving->config->log_level);
}

/* As many descriptors as the system lets us have: each connection takes one. */
static void raise_descriptors(const struct config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur < (rlim_t)config->limits_connections + 256) {
        pl_log_warn("SERVER_FEW_DESCRIPTORS", NULL,
                    "%llu descriptors are allowed, fewer than limits.connections needs",
                    (unsigned long long)limit.rlim_cur);
    }
}

/* What a crash would leave on the disk holds the keys, and what people wrote. systemd-coredump
 * keeps to the same limit. */
static void forbid_core_dumps(const struct config *config)
{
    const struct rlimit none = {0, 0};
    if (!config->core_dumps && setrlimit(RLIMIT_CORE, &none) != 0) {
        pl_log_warn("SERVER_CORE_DUMPS", NULL, "cannot switch core dumps off");
    }
}

static enum parley_code open_all(struct serving *serving, struct pl_error *err)
{
    enum parley_code code = addresses_check_free(serving->config->listen, err);
    if (code == PARLEY_OK) {
        code = addresses_check_free(serving->config->admin, err);
    }
    if (code == PARLEY_OK) {
        code = start_side(serving, err);
    }
    if (code == PARLEY_OK) {
        code = node_open(serving->config, &serving->node, err);
    }
    if (code == PARLEY_OK && serving->addresses_file != NULL) {
        code = addresses_write(serving->addresses_file, node_address(serving->node),
                               admin_address(serving->admin), err);
    }
    return code;
}

static void warn_of_restart(const struct config *before, const struct config *fresh)
{
    for (enum config_setting i = 0; i < CONFIG_COUNT; i++) {
        if (config_differs(before, fresh, i) && !config_is_reloadable(i)) {
            pl_log_warn("CONFIG_NEEDS_RESTART", config_key(i),
                        "the new value counts after a restart only");
        }
    }
}

static void apply(struct serving *serving, struct config *fresh)
{
    struct pl_error err = PL_ERROR_INIT;
    warn_of_restart(serving->config, fresh);
    if (node_reload_tls(serving->node, fresh, &err) != PARLEY_OK) {
        pl_log_error("CONFIG_RELOAD_FAILED", "tls", "%s; the old certificate stays", err.text);
    }
    log_sink_set_format(serving->sink, (enum log_format)fresh->log_format);
    pl_log_set_level((enum pl_log_level)fresh->log_level);
    if (serving->current != serving->config) {
        config_free(serving->current);
    }
    serving->current = fresh;
    pl_log_info("CONFIG_RELOADED", NULL, "took over the settings that can change");
}

static void reload(struct serving *serving)
{
    struct pl_error err = PL_ERROR_INIT;
    struct config *fresh = NULL;
    if (command_read_again(serving->argc, serving->argv, serving->extras, serving->extra_count,
                           &fresh, &err) != PARLEY_OK) {
        pl_log_error("CONFIG_RELOAD_FAILED", NULL, "%s; nothing is changed", err.text);
        return;
    }
    apply(serving, fresh);
}

static void serve_until_drained(struct serving *serving)
{
    atomic_store(&serving->is_ready, true);
    admin_set_state(serving->admin, ADMIN_READY);
    pl_log_info("SERVER_READY", node_address(serving->node),
                "parleyd " PARLEY_VERSION ", data in %s, admin on %s", serving->config->data,
                admin_address(serving->admin));
    while (wait_for_reload(serving)) {
        reload(serving);
    }
    int64_t grace_ms = serving->current->drain_grace_ms;
    admin_set_state(serving->admin, ADMIN_DRAINING);
    pl_log_info("SERVER_DRAINING", NULL, "calls may go on for %lld ms", (long long)grace_ms);
    node_drain(serving->node, grace_ms);
}

static int serve(const struct command *command, struct serving *serving)
{
    struct pl_error err = PL_ERROR_INIT;
    if (addresses_check(serving->config, &err) != PARLEY_OK) {
        return command_fail(command, EXIT_USAGE, err.text);
    }
    (void)umask(077);
    signals_block();
    metrics_text_start();
    start_logs(serving);
    raise_descriptors(serving->config);
    forbid_core_dumps(serving->config);
    enum parley_code code = open_all(serving, &err);
    if (code == PARLEY_OK) {
        serve_until_drained(serving);
    } else {
        pl_log_error("SERVER_CANNOT_START", NULL, "%s", err.text);
    }
    node_close(serving->node);
    stop_side(serving);
    pl_log_info("SERVER_STOPPED", NULL, "bye");
    pl_log_set_sink(NULL, NULL, PL_LOG_ERROR);
    log_sink_free(serving->sink);
    return code == PARLEY_OK ? EXIT_OK : EXIT_FAILED;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct serving serving = {
        .argc = argc,
        .argv = argv,
        .shared = {.mu = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}};
    const struct config_extra extras[] = {
        {.name = "addresses-file",
         .value_name = "PATH",
         .sentence = "When ready, write the addresses that are really listened on to this file "
                     "(listen=... and admin=...); it appears whole.",
         .value = &serving.addresses_file},
    };
    int exit_code = EXIT_OK;
    serving.extras = extras;
    serving.extra_count = PL_COUNT(extras);
    if (!command_read(command, argc, argv, extras, PL_COUNT(extras), &serving.config, &exit_code)) {
        return exit_code;
    }
    serving.current = serving.config;
    exit_code = serve(command, &serving);
    if (serving.current != serving.config) {
        config_free(serving.current);
    }
    config_free(serving.config);
    return exit_code;
}

const struct command serve_command = {
    .name = "serve",
    .usage = "[--data DIR] [--listen ADDRESS] [--admin ADDRESS] [SETTING...]",
    .description =
        "Serve chat over gRPC, with the embedded store, until SIGTERM or SIGINT. Then it drains: "
        "/readyz says 503,\nhealth NOT_SERVING, clients are told to go elsewhere, and what is left "
        "after drain.grace_ms ends with\nUNAVAILABLE. A second signal quits at once. SIGHUP reads "
        "the settings again.\n",
    .lists_settings = true,
    .run = run,
};
