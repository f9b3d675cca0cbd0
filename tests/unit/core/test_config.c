/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: every type from every source, which source wins, and what is refused in which words. */
#include "base/attr.h"
#include "base/mem.h"
#include "core/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Read any of: text of a file (NULL: none), environment, arguments, each of them "|" between. */
struct sources {
    const char *file;
    const char *environment;
    const char *arguments;
};

static char path[] = "/tmp/parley-config-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* Cut `text` at "|" into at most 12 strings and a NULL. */
static int cut(char *text, char *out[13])
{
    int count = 0;
    char *rest = text;
    while (text != NULL && count < 12) {
        out[count] = strsep(&rest, "|");
        if (out[count] == NULL) {
            break;
        }
        count++;
    }
    out[count] = NULL;
    return count;
}

static enum parley_code read_file(struct config_draft *draft, const char *text,
                                  struct pl_error *err)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return config_read_file(draft, path, err);
}

static enum parley_code read_all(const struct sources *sources, struct config **config,
                                 struct pl_error *err)
{
    struct config_draft *draft = config_draft_new();
    enum parley_code code = PARLEY_OK;
    char *words[13] = {NULL};
    char arguments[512] = "parleyd|";
    if (sources->arguments != NULL) {
        strncat(arguments, sources->arguments, sizeof(arguments) - 16);
        int count = cut(arguments, words);
        code = config_read_arguments(draft, count, words, NULL, 0, err);
    }
    if (code == PARLEY_OK && sources->file != NULL) {
        code = read_file(draft, sources->file, err);
    }
    if (code == PARLEY_OK && sources->environment != NULL) {
        char *environment = pl_strdup(sources->environment);
        assert_non_null(environment);
        (void)cut(environment, words);
        code = config_read_environment(draft, words, err);
        pl_free(environment);
    }
    if (code == PARLEY_OK) {
        code = config_finish(draft, config, err);
    }
    config_draft_free(draft);
    return code;
}

static struct config *read_good(struct sources sources)
{
    struct pl_error err = PL_ERROR_INIT;
    struct config *config = NULL;
    if (read_all(&sources, &config, &err) != PARLEY_OK) {
        fail_msg("%s", err.text);
    }
    return config;
}

/* All of `parts` must be in the message. */
static void expect_refusal(struct sources sources, const char *const parts[3])
{
    struct pl_error err = PL_ERROR_INIT;
    struct config *config = NULL;
    assert_int_equal(read_all(&sources, &config, &err), PARLEY_INVALID_ARGUMENT);
    assert_null(config);
    for (int i = 0; i < 3 && parts[i] != NULL; i++) {
        if (strstr(err.text, parts[i]) == NULL) {
            fail_msg("\"%s\" is not in \"%s\"", parts[i], err.text);
        }
    }
}

static void test_defaults_are_valid_and_as_documented(void **state)
{
    (void)state;
    struct config *config = read_good((struct sources){.file = NULL});
    assert_string_equal(config->listen, "127.0.0.1:7450");
    assert_string_equal(config->admin, "127.0.0.1:7451");
    assert_string_equal(config->data, "./parley-data");
    assert_false(config->insecure);
    assert_true(config->store_auto_migrate);
    assert_int_equal(config->limits_message_bytes, 4 << 20);
    assert_int_equal(config->drain_grace_ms, 10000);
    assert_int_equal(config->log_level, CONFIG_LOG_INFO);
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        assert_int_equal(config->sources[i], CONFIG_DEFAULT);
    }
    config_free(config);
}

static void test_every_type_is_read_from_every_source(void **state)
{
    (void)state;
    const struct sources cases[] = {
        {.file = "listen = [::1]:99 ; v6\n"
                 "insecure = yes\n"
                 "loops: 3\n"
                 "[tls]\n"
                 "cert = /a b\n"
                 "   key = /k\n"
                 "[log]\n"
                 "level=warn\n"
                 "[limits]\n"
                 "\tmessage_bytes = 512k\n"
                 "\tstreams = 7\n"
                 "[drain]\n"
                 "grace_ms = 90s\n"},
        {.environment = "HOME=/|PARLEY_LISTEN=[::1]:99|PARLEY_INSECURE=1|PARLEY_LOOPS=3|"
                        "PARLEY_TLS_CERT=/a b|PARLEY_TLS_KEY=/k"},
        {.arguments = "--log-level=warn|--limits-message-bytes|512K|--limits-streams|7|"
                      "--drain-grace-ms=90s"},
        {.arguments = "--listen|[::1]:99|--insecure|--loops|3|--tls-cert|/a b|--tls-key=/k"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        print_message("case %zu\n", i);
        struct config *config = read_good(cases[i]);
        if (i != 2) {
            assert_string_equal(config->listen, "[::1]:99");
            assert_true(config->insecure);
            assert_int_equal(config->loops, 3);
            assert_string_equal(config->tls_cert, "/a b");
            assert_string_equal(config->tls_key, "/k");
        }
        if (i == 0 || i == 2) {
            assert_int_equal(config->log_level, CONFIG_LOG_WARN);
            assert_int_equal(config->limits_message_bytes, 512 << 10);
            assert_int_equal(config->limits_streams, 7);
            assert_int_equal(config->drain_grace_ms, 90000);
        }
        config_free(config);
    }
}

static void test_later_sources_win_whatever_the_order_of_reading(void **state)
{
    (void)state;
    const char *file = "loops = 1\n";
    struct config *config = read_good((struct sources){.file = file});
    assert_int_equal(config->loops, 1);
    assert_int_equal(config->sources[CONFIG_loops], CONFIG_FILE);
    config_free(config);
    config = read_good((struct sources){.file = file, .environment = "PARLEY_LOOPS=2"});
    assert_int_equal(config->loops, 2);
    config_free(config);
    config = read_good((struct sources){
        .file = file, .environment = "PARLEY_LOOPS=2", .arguments = "--loops|3|--loops|4"});
    assert_int_equal(config->loops, 4);
    assert_int_equal(config->sources[CONFIG_loops], CONFIG_OPTION);
    config_free(config);
    /* Also an explicit default beats a weaker source. */
    config =
        read_good((struct sources){.file = "insecure = true\n", .arguments = "--insecure=false"});
    assert_false(config->insecure);
    config_free(config);
}

static void test_bad_values_name_source_value_and_range(void **state)
{
    (void)state;
    static const struct {
        struct sources sources;
        const char *parts[3];
    } cases[] = {
        {{.file = "\n\nloops = many\n"}, {":3: loops", "\"many\"", "0 to 256"}},
        {{.file = "loops = 257\n"}, {":1: loops", "\"257\"", "0 to 256"}},
        {{.environment = "PARLEY_LOOPS=-1"}, {"environment PARLEY_LOOPS", "\"-1\"", "0 to 256"}},
        {{.arguments = "--loops|"}, {"option --loops", "\"\"", "0 to 256"}},
        {{.arguments = "--insecure=perhaps"},
         {"option --insecure", "\"perhaps\"", "true or false"}},
        {{.arguments = "--log-level|loud"}, {"\"loud\"", "debug, info, warn or error"}},
        {{.arguments = "--limits-message-bytes|1k"}, {"\"1k\"", "128k to 64M"}},
        {{.arguments = "--limits-message-bytes|65M"}, {"\"65M\"", "128k to 64M"}},
        {{.arguments = "--limits-message-bytes|4 M"}, {"\"4 M\"", "128k to 64M"}},
        {{.arguments = "--store-queue-bytes|9223372036854775807G"}, {"1M to 64G"}},
        {{.arguments = "--store-queue-bytes|99999999999999999999999999"}, {"1M to 64G"}},
        {{.arguments = "--drain-grace-ms|-5s"}, {"\"-5s\"", "0 to 1h"}},
        {{.arguments = "--drain-grace-ms|2h"}, {"\"2h\"", "0 to 1h"}},
        {{.arguments = "--drain-grace-ms|5d"}, {"\"5d\"", "0 to 1h"}},
        {{.arguments = "--listen|localhost:7450"}, {"option --listen", "localhost:7450", "unix:"}},
        {{.arguments = "--listen|127.0.0.1"}, {"option --listen", "numeric address"}},
        {{.arguments = "--listen|127.0.0.1:65536"}, {"option --listen", "numeric address"}},
        {{.arguments = "--listen|::1:80"}, {"option --listen", "numeric address"}},
        {{.arguments = "--listen|[::1:80"}, {"option --listen", "numeric address"}},
        {{.arguments = "--listen|unix:relative"}, {"option --listen", "numeric address"}},
        {{.arguments = "--data|a\nb"}, {"option --data", "control characters"}},
        {{.arguments = "--data|\xff"}, {"option --data", "UTF-8"}},
        {{.arguments = "--data|"}, {"data must name a folder"}},
        {{.arguments = "--data"}, {"--data", "needs a value"}},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        print_message("case %zu\n", i);
        expect_refusal(cases[i].sources, cases[i].parts);
    }
}

static void test_unknown_names_are_refused_with_the_nearest(void **state)
{
    (void)state;
    static const struct {
        struct sources sources;
        const char *parts[3];
    } cases[] = {
        {{.file = "[tls]\ncertt = x\n"}, {":2:", "\"tls.certt\"", "\"tls.cert\""}},
        {{.file = "lisen = x\n"}, {"\"lisen\"", "\"listen\""}},
        {{.environment = "PARLEY_LOG_LEVL=x"}, {"PARLEY_LOG_LEVL", "PARLEY_LOG_LEVEL"}},
        {{.arguments = "--log-levl|x"}, {"--log-levl", "--log-level"}},
        {{.arguments = "--log-levl=x"}, {"--log-levl=x", "--log-level?"}},
        {{.arguments = "--lis|x"}, {"--lis", "--listen"}}, /* no abbreviations */
        {{.arguments = "-x"}, {"-x"}},
        {{.arguments = "--auth-key|00"}, {"auth.key is a secret", "PARLEY_AUTH_KEY"}},
        {{.arguments = "serve"}, {"unexpected argument \"serve\""}},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        print_message("case %zu\n", i);
        expect_refusal(cases[i].sources, cases[i].parts);
    }
}

static void test_environment_of_others_is_left_alone(void **state)
{
    (void)state;
    struct config *config =
        read_good((struct sources){.environment = "PARLEY_TOKEN=x|PARLEY_SERVICE_HOST=10.0.0.1|"
                                                  "PARLEY_PORT=tcp://10.0.0.1:7450|"
                                                  "PARLEY_PORT_7450_TCP_ADDR=10.0.0.1|"
                                                  "PARLEY_ADMIN_SERVICE_PORT_HTTP=7451|"
                                                  "XPARLEY_NONSENSE=1|PARLEY_WITHOUT_VALUE"});
    config_free(config);
}

static void test_broken_files_are_refused_with_the_line(void **state)
{
    (void)state;
    static char long_line[1200] = "data = ";
    memset(long_line + 7, 'x', sizeof(long_line) - 8);
    static const struct {
        const char *file;
        const char *parts[3];
    } cases[] = {
        {"loops = 1\nnonsense\n", {":2: neither"}},
        {"loops = 1\n\nloops = 2\n", {":3: loops was given before, in line 1"}},
        {"[log\nlevel = info\n", {":1: neither"}},
        {long_line, {":1: the line is longer than"}},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        print_message("case %zu\n", i);
        expect_refusal((struct sources){.file = cases[i].file}, cases[i].parts);
    }
    struct pl_error err = PL_ERROR_INIT;
    struct config_draft *draft = config_draft_new();
    assert_int_equal(config_read_file(draft, "/nowhere/x.conf", &err), PARLEY_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "/nowhere/x.conf"));
    assert_int_equal(config_read_file(draft, "/tmp", &err), PARLEY_INVALID_ARGUMENT);
    config_draft_free(draft);
}

static void test_long_comments_are_fine(void **state)
{
    (void)state;
    char file[1400] = "# ";
    memset(file + 2, 'x', 1300);
    memcpy(file + 1302, "\nloops = 9\n", 12);
    struct config *config = read_good((struct sources){.file = file});
    assert_int_equal(config->loops, 9);
    config_free(config);
}

static void test_settings_that_belong_together_are_checked(void **state)
{
    (void)state;
    static const struct {
        struct sources sources;
        const char *parts[3];
    } cases[] = {
        {{.arguments = "--tls-cert|/c"}, {"tls.key is missing"}},
        {{.arguments = "--tls-key|/c"}, {"tls.cert is missing"}},
        {{.arguments = "--tls-client-ca|/c"}, {"tls.client_ca needs TLS"}},
        {{.arguments = "--retention-every-ms|99ms"}, {"retention.every_ms", "0 or at least 100"}},
        {{.environment = "PARLEY_AUTH_KEY=00ff"}, {"auth.key must be 64 hexadecimal"}},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        expect_refusal(cases[i].sources, cases[i].parts);
    }
}

#define KEY_TEXT "00ff10000000000000000000000000000000000000000000000000000000AbcD"

static void test_secrets_are_read_and_masked(void **state)
{
    (void)state;
    struct config *config = read_good((struct sources){.environment = "PARLEY_AUTH_KEY=" KEY_TEXT});
    uint8_t key[32];
    assert_true(config_auth_key(config, key, sizeof(key)));
    assert_int_equal(key[1], 0xff);
    assert_int_equal(key[31], 0xcd);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print(out, config);
    assert_int_equal(fclose(out), 0);
    assert_null(strstr(text, "00ff"));
    assert_non_null(strstr(text, "********"));
    free(text);
    config_free(config);
    expect_refusal((struct sources){.environment = "PARLEY_AUTH_KEY=\x01geheim"},
                   (const char *const[3]){"PARLEY_AUTH_KEY"});
}

static char *print_to_text(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_the_sample_holds_every_default(void **state)
{
    (void)state;
    char *sample = print_to_text(config_print_sample);
    /* Take the comment sign from the settings, and leave it before the sentences. */
    for (char *hash = sample; (hash = strchr(hash, '#')) != NULL; hash++) {
        if (hash[1] != ' ') {
            *hash = ' ';
        }
    }
    struct config *read = read_good((struct sources){.file = sample});
    struct config *defaults = read_good((struct sources){.file = NULL});
    for (enum config_setting i = 0; i < CONFIG_COUNT; i++) {
        print_message("%s\n", config_key(i));
        assert_int_equal(read->sources[i], CONFIG_FILE);
        assert_false(config_differs(read, defaults, i));
    }
    config_free(read);
    config_free(defaults);
    free(sample);
}

static void test_the_manual_is_up_to_date(void **state)
{
    (void)state;
    char *wanted = print_to_text(config_print_markdown);
    FILE *file = fopen(CONFIG_MD, "re");
    assert_non_null(file);
    size_t size = strlen(wanted) + 4096;
    char *found = calloc(1, size);
    assert_non_null(found);
    assert_true(fread(found, 1, size - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    if (strcmp(wanted, found) != 0) {
        fail_msg("run: parleyd check-config --markdown > server/CONFIG.md");
    }
    free(wanted);
    free(found);
}

static void test_differences_are_seen(void **state)
{
    (void)state;
    struct config *a = read_good((struct sources){.arguments = "--loops|3"});
    struct config *b = read_good((struct sources){.arguments = "--listen|127.0.0.2:1|--insecure"});
    assert_true(config_differs(a, b, CONFIG_loops));
    assert_true(config_differs(a, b, CONFIG_listen));
    assert_true(config_differs(a, b, CONFIG_insecure));
    assert_false(config_differs(a, b, CONFIG_admin));
    assert_true(config_is_reloadable(CONFIG_log_level));
    assert_false(config_is_reloadable(CONFIG_listen));
    config_free(a);
    config_free(b);
}

static void test_extras_of_a_command_stand_beside_settings(void **state)
{
    (void)state;
    const char *user = NULL;
    bool help = false;
    const struct config_extra extras[] = {
        {.name = "user", .value_name = "ID", .value = &user},
        {.name = "help", .is_given = &help},
    };
    struct pl_error err = PL_ERROR_INIT;
    struct config_draft *draft = config_draft_new();
    char text[] = "parleyd|--user|alice|--loops|2|-h";
    char *words[13];
    assert_int_equal(cut(text, words), 6);
    assert_int_equal(config_read_arguments(draft, 6, words, extras, 2, &err), PARLEY_OK);
    assert_string_equal(user, "alice");
    assert_true(help);
    assert_int_equal(config_read_arguments(NULL, 5, words, extras, 2, &err),
                     PARLEY_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "--loops"));
    config_draft_free(draft);
}

static void test_durations_of_options_are_read(void **state)
{
    (void)state;
    struct pl_error err = PL_ERROR_INIT;
    int64_t ms = 0;
    assert_int_equal(config_parse_duration("--ttl", "24h", 1, INT64_MAX, &ms, &err), PARLEY_OK);
    assert_int_equal(ms, 86400000);
    assert_int_equal(config_parse_duration("--ttl", "24", 1000, INT64_MAX, &ms, &err),
                     PARLEY_INVALID_ARGUMENT);
    assert_int_equal(ms, 86400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_valid_and_as_documented),
        cmocka_unit_test(test_every_type_is_read_from_every_source),
        cmocka_unit_test(test_later_sources_win_whatever_the_order_of_reading),
        cmocka_unit_test(test_bad_values_name_source_value_and_range),
        cmocka_unit_test(test_unknown_names_are_refused_with_the_nearest),
        cmocka_unit_test(test_environment_of_others_is_left_alone),
        cmocka_unit_test(test_broken_files_are_refused_with_the_line),
        cmocka_unit_test(test_long_comments_are_fine),
        cmocka_unit_test(test_settings_that_belong_together_are_checked),
        cmocka_unit_test(test_secrets_are_read_and_masked),
        cmocka_unit_test(test_the_sample_holds_every_default),
        cmocka_unit_test(test_the_manual_is_up_to_date),
        cmocka_unit_test(test_differences_are_seen),
        cmocka_unit_test(test_extras_of_a_command_stand_beside_settings),
        cmocka_unit_test(test_durations_of_options_are_read),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
