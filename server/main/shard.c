/* SPDX-License-Identifier: Apache-2.0 */
/* parleyd shard: how full the shards of MySQL are, and moving buckets between them while nodes
 * serve.
 */
#include "main/command.h"
#include "main/store.h"

#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_MAX 4095
#define SHARD_MAX  1023

/* What was given after `parleyd shard`. */
struct request {
    const char *from;
    const char *to;
    const char *buckets;
    const char *pause;
    bool is_json;
};

static void report(void *context, const char *line)
{
    (void)context;
    (void)printf("%s\n", line);
    (void)fflush(stdout);
}

/* ---- plan ---- */

static int print_json(const struct store_mysql_plan *plan)
{
    json_t *shards = json_array();
    for (unsigned i = 0; i < plan->shards; i++) {
        const struct store_mysql_load *load = &plan->loads[i];
        (void)json_array_append_new(
            shards, json_pack("{s:i, s:i, s:I, s:I, s:I, s:I}", "shard", (int)i, "buckets",
                              (int)load->buckets, "conversations", (json_int_t)load->conversations,
                              "messages", (json_int_t)load->messages, "members",
                              (json_int_t)load->members, "list_rows", (json_int_t)load->list_rows));
    }
    json_t *move = plan->is_even ? json_null()
                                 : json_pack("{s:i, s:i, s:i, s:i}", "from", (int)plan->from, "to",
                                             (int)plan->to, "first", (int)plan->first, "last",
                                             (int)plan->last);
    json_t *all = json_pack("{s:o, s:o}", "shards", shards, "move", move);
    bool is_written = all != NULL && json_dumpf(all, stdout, JSON_INDENT(2)) == 0;
    (void)printf("\n");
    json_decref(all);
    return is_written ? EXIT_OK : EXIT_FAILED;
}

static int print_plan(const struct store_mysql_plan *plan)
{
    (void)printf("%5s %8s %14s %14s %14s %14s\n", "shard", "buckets", "conversations", "messages",
                 "members", "list rows");
    for (unsigned i = 0; i < plan->shards; i++) {
        const struct store_mysql_load *load = &plan->loads[i];
        (void)printf("%5u %8u %14lld %14lld %14lld %14lld\n", i, load->buckets,
                     (long long)load->conversations, (long long)load->messages,
                     (long long)load->members, (long long)load->list_rows);
    }
    if (plan->is_even) {
        (void)printf("\nThey are even: there is nothing to move.\n");
    } else {
        (void)printf("\nThis would even out the fullest and the emptiest:\n"
                     "    parleyd shard move --from %u --to %u --buckets %u-%u\n",
                     plan->from, plan->to, plan->first, plan->last);
    }
    return EXIT_OK;
}

static int run_plan(const struct command *command, const struct config *config,
                    const struct request *request)
{
    struct pl_error err = PL_ERROR_INIT;
    struct store_mysql_plan plan;
    if (main_store_plan(config, &plan, &err) != PARLEY_OK) {
        return command_fail(command, EXIT_FAILED, err.text);
    }
    int exit_code = request->is_json ? print_json(&plan) : print_plan(&plan);
    store_mysql_plan_deinit(&plan);
    return exit_code;
}

/* ---- move ---- */

static bool read_number(const char *text, size_t len, int64_t max, unsigned *out)
{
    char copy[16];
    int64_t value = 0;
    bool is_read = text != NULL && pl_text_format(copy, sizeof(copy), "%.*s", (int)len, text) &&
                   pl_text_to_i64(copy, 0, max, &value);
    *out = (unsigned)value;
    return is_read;
}

/* "A-B", or "A" alone. */
static bool read_range(const char *text, struct store_mysql_move *move)
{
    if (text == NULL) {
        return false;
    }
    size_t len = strcspn(text, "-");
    const char *last = text[len] == '-' ? text + len + 1 : text;
    return read_number(text, len, BUCKET_MAX, &move->first) &&
           read_number(last, strlen(last), BUCKET_MAX, &move->last) && move->first <= move->last;
}

static bool read_shard(const char *text, unsigned *out)
{
    return text != NULL && read_number(text, strlen(text), SHARD_MAX, out);
}

static int run_move(const struct command *command, const struct config *config,
                    const struct request *request)
{
    struct pl_error err = PL_ERROR_INIT;
    struct store_mysql_move move = {.report = report};
    if (!read_shard(request->from, &move.from) || !read_shard(request->to, &move.to)) {
        return command_fail(command, EXIT_USAGE, "move needs --from and --to, numbers of shards");
    }
    if (!read_range(request->buckets, &move)) {
        return command_fail(command, EXIT_USAGE, "move needs --buckets A-B, from 0-4095");
    }
    if (request->pause != NULL &&
        !read_number(request->pause, strlen(request->pause), 60000, &move.pause_max_ms)) {
        return command_fail(command, EXIT_USAGE, "--pause-max-ms is a number up to 60000");
    }
    enum parley_code code = main_store_move(config, &move, &err);
    if (move.moved > 0) {
        (void)printf("moved %u buckets, %lld rows copied; the longest that a writer waited: %lld "
                     "ms\n",
                     move.moved, (long long)move.rows, (long long)(move.pause_longest_us / 1000));
    }
    if (code == PARLEY_OK) {
        (void)printf("buckets %u-%u are on shard %u; checksums were equal\n", move.first, move.last,
                     move.to);
        return EXIT_OK;
    }
    return command_fail(command, code == PARLEY_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_FAILED,
                        err.text);
}

/* ---- the command ---- */

static int run(const struct command *command, int argc, char **argv)
{
    struct request request = {.from = NULL};
    const struct config_extra extras[] = {
        {.name = "json", .sentence = "plan: as JSON.", .is_given = &request.is_json},
        {.name = "from",
         .value_name = "N",
         .sentence = "move: the shard that has the buckets.",
         .value = &request.from},
        {.name = "to",
         .value_name = "M",
         .sentence = "move: the shard that gets them.",
         .value = &request.to},
        {.name = "buckets",
         .value_name = "A-B",
         .sentence = "move: which ones, both included.",
         .value = &request.buckets},
        {.name = "pause-max-ms",
         .value_name = "MS",
         .sentence = "move: how long a bucket may take no writes while it changes hands; "
                     "default 1000.",
         .value = &request.pause},
    };
    struct config *config = NULL;
    int exit_code = EXIT_OK;
    const char *action = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
    int skipped = action[0] == '\0' ? 0 : 1;
    if (!command_read(command, argc - skipped, argv + skipped, extras, PL_COUNT(extras), &config,
                      &exit_code)) {
        return exit_code;
    }
    if (strcmp(action, "plan") == 0) {
        exit_code = run_plan(command, config, &request);
    } else if (strcmp(action, "move") == 0) {
        exit_code = run_move(command, config, &request);
    } else {
        exit_code = command_fail(command, EXIT_USAGE, "say `plan` or `move`");
    }
    config_free(config);
    return exit_code;
}

const struct command shard_command = {
    .name = "shard",
    .usage = "plan|move [--from N --to M --buckets A-B] [SETTING...]",
    .description =
        "plan: what lives on each shard of MySQL, and a move that would even them out.\n"
        "move: bring buckets to another shard while nodes serve. Their rows are copied and "
        "compared; "
        "then one\nbucket after the other stops taking writes for a moment and changes hands, and "
        "its "
        "rows are removed from\nthe old shard. A move that was interrupted is finished by the same "
        "command.\n"
        "Only for store.engine = mysql: the shards of the embedded store are files of one node, "
        "and "
        "stay as they are.\n",
    .run = run,
};
