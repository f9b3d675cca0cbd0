/* SPDX-License-Identifier: Apache-2.0 */
/* Log records as lines of text or JSON. The mutex covers only the counting of repetitions; lines
 * are made and written outside of it. @thread any */
#include "core/log_sink.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <jansson.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IDS_MAX        128 /* that are counted; more than the code has */
#define LINE_MAX_BYTES 8192
#define TIME_MAX       32

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};

/* How often one id came in its window. */
struct repetition {
    const char *id; /* static, as all ids; NULL: unused */
    int64_t window_start_ms;
    unsigned written;
    unsigned suppressed;
};

struct log_sink {
    int fd;
    unsigned burst;
    int64_t window_ms;
    int64_t (*wall_ms)(void);
    atomic_int format;
    pthread_mutex_t mu;
    struct repetition repetitions[IDS_MAX]; /* under mu */
};

/* ---- lines ---- */

static void format_time(int64_t wall_ms, char out[TIME_MAX])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    char date[TIME_MAX];
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        (void)pl_text_format(out, TIME_MAX, "%s", "-");
        return;
    }
    (void)pl_text_format(out, TIME_MAX, "%s.%03dZ", date, (int)(wall_ms % 1000));
}

/* Bytes of the character at `text`, or 0: it is none. */
static size_t measure_character(const char *text, size_t len)
{
    for (size_t size = 1; size <= 4 && size <= len; size++) {
        if (pl_text_is_utf8(text, size)) {
            return size;
        }
    }
    return 0;
}

/* U+0080 to U+009F: terminals may take them for commands. */
static bool is_c1_control(const char *text, size_t size)
{
    return size == 2 && (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] < 0xa0;
}

/* Copy `text` so that it fits on one line and can be read back: what is no printable UTF-8 becomes
 * \xNN, and a backslash two. @param only_invalid  leave the rest to a later encoder (JSON). */
static void clean(const char *text, bool only_invalid, char *out, size_t size)
{
    size_t len = strlen(text);
    size_t used = 0;
    while (len > 0 && used + 5 < size) {
        size_t character = measure_character(text, len);
        bool is_control =
            (unsigned char)text[0] < 0x20 || text[0] == 0x7f || is_c1_control(text, character);
        if (character == 0 || (is_control && !only_invalid)) {
            size_t bytes = character == 0 ? 1 : character;
            if (used + 4 * bytes >= size) {
                break;
            }
            for (size_t i = 0; i < bytes; i++) {
                (void)snprintf(out + used, 5, "\\x%02x", (unsigned)(unsigned char)text[i]);
                used += 4;
            }
            character = bytes;
        } else {
            if (text[0] == '\\' && !only_invalid) {
                out[used++] = '\\';
            }
            memcpy(out + used, text, character);
            used += character;
        }
        text += character;
        len -= character;
    }
    out[used] = '\0';
}

static size_t make_text(const struct pl_log_record *record, const char *time, unsigned suppressed,
                        char line[LINE_MAX_BYTES])
{
    char subject[512];
    char text[4200];
    char more[48] = "";
    clean(record->subject, false, subject, sizeof(subject));
    clean(record->text, false, text, sizeof(text));
    if (suppressed > 0) {
        (void)pl_text_format(more, sizeof(more), " suppressed=%u", suppressed);
    }
    (void)pl_text_format(line, LINE_MAX_BYTES - 1, "%s %-5s %s%s%s: %s%s", time,
                         level_names[record->level], record->id, subject[0] != '\0' ? " " : "",
                         subject, text, more);
    return strlen(line);
}

static size_t make_json(const struct pl_log_record *record, const char *time, unsigned suppressed,
                        char line[LINE_MAX_BYTES])
{
    char subject[256];
    char text[1100];
    clean(record->subject, true, subject, sizeof(subject));
    clean(record->text, true, text, sizeof(text));
    json_t *object = json_pack("{s:s, s:s, s:s, s:s}", "time", time, "level",
                               level_names[record->level], "id", record->id, "text", text);
    size_t len = 0;
    if (object != NULL) {
        if (subject[0] != '\0') {
            (void)json_object_set_new(object, "subject", json_string(subject));
        }
        if (suppressed > 0) {
            (void)json_object_set_new(object, "suppressed", json_integer(suppressed));
        }
        len = json_dumpb(object, line, LINE_MAX_BYTES - 1, JSON_COMPACT);
        json_decref(object);
    }
    if (len == 0 || len > LINE_MAX_BYTES - 1) {
        /* No memory for the object, or a text of escapes only: keep what identifies the record. */
        (void)pl_text_format(line, LINE_MAX_BYTES - 1,
                             "{\"time\":\"%s\",\"level\":\"%s\",\"id\":\"%s\"}", time,
                             level_names[record->level], record->id);
        len = strlen(line);
    }
    return len;
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, data, len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return; /* nowhere to complain */
        }
        data += written;
        len -= (size_t)written;
    }
}

static void write_record(struct log_sink *sink, const struct pl_log_record *record, int64_t now_ms,
                         unsigned suppressed)
{
    char time[TIME_MAX];
    char line[LINE_MAX_BYTES];
    format_time(now_ms, time);
    size_t len = atomic_load(&sink->format) == LOG_FORMAT_JSON
                     ? make_json(record, time, suppressed, line)
                     : make_text(record, time, suppressed, line);
    line[len++] = '\n';
    write_all(sink->fd, line, len);
}

/* ---- repetitions ---- */

static void write_suppressed(struct log_sink *sink, const char *id, unsigned suppressed,
                             int64_t now_ms)
{
    struct pl_log_record record = {
        .level = PL_LOG_WARN, .id = id, .subject = "", .text = "records like this were left out"};
    write_record(sink, &record, now_ms, suppressed);
}

/* Another id whose window is over and who owes a count; its count is taken. NULL: none. */
static const char *take_owed_locked(struct log_sink *sink, int64_t now_ms, unsigned *suppressed)
{
    for (size_t i = 0; i < IDS_MAX && sink->repetitions[i].id != NULL; i++) {
        struct repetition *other = &sink->repetitions[i];
        if (other->suppressed > 0 && now_ms - other->window_start_ms >= sink->window_ms) {
            *suppressed = other->suppressed;
            other->suppressed = 0;
            return other->id;
        }
    }
    return NULL;
}

static struct repetition *find_repetition_locked(struct log_sink *sink, const char *id)
{
    for (size_t i = 0; i < IDS_MAX; i++) {
        struct repetition *known = &sink->repetitions[i];
        if (known->id == NULL) {
            known->id = id;
            known->window_start_ms = INT64_MIN / 2;
            return known;
        }
        if (known->id == id || strcmp(known->id, id) == 0) {
            return known;
        }
    }
    return NULL; /* the table is full: written without counting */
}

/* May this record be written? *suppressed: how many like it were not, since the last that was. */
static bool admit_locked(struct log_sink *sink, const char *id, int64_t now_ms,
                         unsigned *suppressed)
{
    *suppressed = 0;
    struct repetition *repetition = find_repetition_locked(sink, id);
    if (repetition == NULL) {
        return true;
    }
    if (now_ms - repetition->window_start_ms >= sink->window_ms ||
        now_ms < repetition->window_start_ms) { /* the wall clock may go back */
        repetition->window_start_ms = now_ms;
        repetition->written = 0;
        *suppressed = repetition->suppressed;
        repetition->suppressed = 0;
    }
    if (repetition->written >= sink->burst) {
        repetition->suppressed++;
        return false;
    }
    repetition->written++;
    return true;
}

void log_sink_write(void *context, const struct pl_log_record *record)
{
    struct log_sink *sink = context;
    int64_t now_ms = sink->wall_ms();
    unsigned suppressed = 0;
    unsigned owed = 0;
    (void)pthread_mutex_lock(&sink->mu);
    bool is_admitted =
        record->level == PL_LOG_DEBUG || admit_locked(sink, record->id, now_ms, &suppressed);
    const char *owing = take_owed_locked(sink, now_ms, &owed);
    (void)pthread_mutex_unlock(&sink->mu);
    if (owing != NULL) {
        write_suppressed(sink, owing, owed, now_ms);
    }
    if (is_admitted) {
        write_record(sink, record, now_ms, suppressed);
    }
}

void log_sink_set_format(struct log_sink *sink, enum log_format format)
{
    atomic_store(&sink->format, (int)format);
}

struct log_sink *log_sink_new(const struct log_sink_options *options)
{
    struct log_sink *sink = pl_xcalloc(1, sizeof(*sink));
    sink->fd = options->fd;
    sink->burst = options->burst > 0 ? options->burst : 20;
    sink->window_ms = options->window_ms > 0 ? options->window_ms : 10000;
    sink->wall_ms = options->wall_ms != NULL ? options->wall_ms : pl_clock_wall_ms;
    atomic_init(&sink->format, (int)options->format);
    (void)pthread_mutex_init(&sink->mu, NULL);
    return sink;
}

void log_sink_free(struct log_sink *sink)
{
    if (sink == NULL) {
        return;
    }
    for (size_t i = 0; i < IDS_MAX && sink->repetitions[i].id != NULL; i++) {
        if (sink->repetitions[i].suppressed > 0) {
            write_suppressed(sink, sink->repetitions[i].id, sink->repetitions[i].suppressed,
                             sink->wall_ms());
        }
    }
    (void)pthread_mutex_destroy(&sink->mu);
    pl_free(sink);
}
