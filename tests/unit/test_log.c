#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model/base/json_doc.h"
#include "model/base/utf8.h"
#include "server/log.h"

enum { MAX_TEXT = 1 << 16 };

/* A log whose lines come back through a pipe. */
struct tap {
    struct log *log;
    int fds[2];
};

static struct tap open_tap(enum log_format format, enum log_level level)
{
    struct tap tap;
    assert_int_equal(pipe2(tap.fds, O_CLOEXEC), 0);
    const struct log_options options = {.fd = tap.fds[1], .level = level, .format = format};
    assert_int_equal(log_create(&options, &tap.log, NULL), STATUS_OK);
    return tap;
}

/* Everything that was written; closes the tap. At most what a pipe holds. */
static char *drain(struct tap *tap)
{
    static char text[MAX_TEXT];
    size_t used = 0;
    log_destroy(tap->log);
    close(tap->fds[1]);
    for (ssize_t got; (got = read(tap->fds[0], text + used, sizeof text - 1 - used)) > 0;)
        used += (size_t)got;
    close(tap->fds[0]);
    text[used] = '\0';
    return text;
}

/* What one line of that format says. */
static char *line_of(enum log_format format, const struct log_field *fields)
{
    struct tap tap = open_tap(format, LOG_DEBUG);
    log_write(tap.log, LOG_INFO, "request", fields);
    char *text = drain(&tap);
    size_t length = strlen(text);
    assert_true(length > 0 && strchr(text, '\n') == text + length - 1);
    return text;
}

/* The line behind its time, level and event. */
static const char *fields_of(const char *line)
{
    const char *event = strstr(line, "request");
    assert_non_null(event);
    return event + strlen("request");
}

static void logfmt_has_plain_words_and_quoted_texts(void **state)
{
    (void)state;
    const struct log_field fields[] = {
        LOG_FIELD_TEXT("id", "a-1.b_c/d:e"),
        LOG_FIELD_TEXT("none", NULL),
        LOG_FIELD_TEXT("empty", ""),
        LOG_FIELD_TEXT("space", "a b"),
        LOG_FIELD_TEXT("equals", "a=b"),
        LOG_FIELD_TEXT("quote", "say \"x\" \\"),
        LOG_FIELD_TEXT("lines", "a\nb\r\t\x1b[0m\x7f"),
        LOG_FIELD_TEXT("utf8", "\xc3\xa9"),
        LOG_FIELD_TEXT("broken", "\xff\xc3"),
        LOG_FIELD_TEXT("c1", "\xc2\x85"),
        LOG_FIELD_TEXT("separators", "\xe2\x80\xa8\xe2\x80\xa9"),
        LOG_FIELD_INTEGER("status", 503),
        LOG_FIELD_INTEGER("least", INT64_MIN),
        LOG_FIELD_MILLISECONDS("total_ms", 12345),
        LOG_FIELD_MILLISECONDS("short_ms", 7),
        LOG_FIELD_MILLISECONDS("back_ms", -1500),
        LOG_FIELD_BOOLEAN("reused", true),
        LOG_FIELD_BOOLEAN("new", false),
        LOG_FIELD_END,
    };
    assert_string_equal(
        fields_of(line_of(LOG_FORMAT_LOGFMT, fields)),
        " id=a-1.b_c/d:e empty=\"\" space=\"a b\" equals=\"a=b\" quote=\"say \\\"x\\\" \\\\\""
        " lines=\"a\\nb\\r\\t\\u001b[0m\\u007f\" utf8=\xc3\xa9 broken=\"\\ufffd\\ufffd\""
        " c1=\"\\u0085\" separators=\"\\u2028\\u2029\" status=503 least=-9223372036854775808"
        " total_ms=12.345 short_ms=0.007 back_ms=-1.500 reused=true new=false\n");
}

static void json_has_types(void **state)
{
    (void)state;
    const struct log_field fields[] = {
        LOG_FIELD_TEXT("id", "a b"),       LOG_FIELD_TEXT("none", NULL),
        LOG_FIELD_INTEGER("status", -1),   LOG_FIELD_MILLISECONDS("total_ms", 12345),
        LOG_FIELD_BOOLEAN("reused", true), LOG_FIELD_END,
    };
    assert_string_equal(fields_of(line_of(LOG_FORMAT_JSON, fields)),
                        "\",\"id\":\"a b\",\"status\":-1,\"total_ms\":12.345,\"reused\":true}\n");
}

/* Parsed by jansson. */
static struct json_doc *parse(const char *line, size_t size)
{
    struct json_doc *doc = NULL;
    struct error error = {0};
    if (json_doc_parse((struct span){(const uint8_t *)line, size}, &doc, &error) != STATUS_OK)
        fail_msg("%s: %.*s", error.text, (int)size, line);
    return doc;
}

/* In both formats a text comes back as it went in, but for bytes that are no UTF-8. */
static void assert_text_survives(const char *text)
{
    char *repaired = utf8_repair(text);
    assert_non_null(repaired);
    const struct log_field fields[] = {LOG_FIELD_TEXT("key", text), LOG_FIELD_END};
    const char *line = line_of(LOG_FORMAT_JSON, fields);
    struct json_doc *doc = parse(line, strlen(line));
    assert_string_equal(json_node_string(json_node_member(json_doc_root(doc), "key")), repaired);
    json_doc_destroy(doc);

    line = fields_of(line_of(LOG_FORMAT_LOGFMT, fields));
    assert_memory_equal(line, " key=", 5);
    line += 5;
    if (*line == '"') {
        doc = parse(line, strlen(line));
        assert_string_equal(json_node_string(json_doc_root(doc)), repaired);
        json_doc_destroy(doc);
    } else {
        assert_int_equal(strlen(line), strlen(text) + 1);
        assert_memory_equal(line, text, strlen(text));
        assert_null(strpbrk(line, " =\""));
    }
    free(repaired);
}

static void every_text_survives(void **state)
{
    (void)state;
    assert_text_survives("");
    assert_text_survives("/classify?a=\xe2\x82\xac&b=\xf0\x9f\x90\xb6");
    assert_text_survives("\xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80 \xe2\x82");
    srand(1);
    for (int i = 0; i < 300; i++) {
        char text[33];
        for (size_t j = 0; j < sizeof text - 1; j++)
            text[j] = (char)(1 + rand() % 255);
        text[1 + rand() % 32] = '\0';
        assert_text_survives(text);
    }
    for (int byte = 1; byte < 256; byte++)
        assert_text_survives((const char[]){(char)byte, '\0'});
}

static void lines_begin_with_time_level_and_event(void **state)
{
    (void)state;
    static const char *const names[] = {"debug", "info", "warn", "error"};
    regex_t logfmt, json;
    const char *time_pattern = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z";
    char pattern[256];
    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
        (void)snprintf(pattern, sizeof pattern, "^time=%s level=%s event=start\n$", time_pattern,
                       names[level]);
        assert_int_equal(regcomp(&logfmt, pattern, REG_EXTENDED | REG_NOSUB), 0);
        (void)snprintf(pattern, sizeof pattern,
                       "^\\{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"start\"}\n$", time_pattern,
                       names[level]);
        assert_int_equal(regcomp(&json, pattern, REG_EXTENDED | REG_NOSUB), 0);
        struct tap tap = open_tap(LOG_FORMAT_LOGFMT, LOG_DEBUG);
        log_write(tap.log, (enum log_level)level, "start", NULL);
        assert_int_equal(regexec(&logfmt, drain(&tap), 0, NULL, 0), 0);
        tap = open_tap(LOG_FORMAT_JSON, LOG_DEBUG);
        log_write(tap.log, (enum log_level)level, "start", NULL);
        assert_int_equal(regexec(&json, drain(&tap), 0, NULL, 0), 0);
        regfree(&logfmt);
        regfree(&json);
    }
}

static void the_time_is_now_in_utc(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "Asia/Kathmandu", 1), 0);
    tzset();
    time_t before = time(NULL);
    const char *line = line_of(LOG_FORMAT_LOGFMT, NULL);
    time_t after = time(NULL);
    struct tm parts = {0};
    assert_non_null(strptime(line, "time=%Y-%m-%dT%H:%M:%S", &parts));
    time_t told = timegm(&parts);
    assert_true(before <= told && told <= after);
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    struct tap tap = open_tap(LOG_FORMAT_LOGFMT, LOG_WARN);
    log_write(tap.log, LOG_DEBUG, "a", NULL);
    log_write(tap.log, LOG_INFO, "b", NULL);
    log_write(tap.log, LOG_WARN, "c", NULL);
    log_write(tap.log, LOG_ERROR, "d", NULL);
    const char *text = drain(&tap);
    assert_null(strstr(text, "event=a"));
    assert_null(strstr(text, "event=b"));
    assert_non_null(strstr(text, "event=c\n"));
    assert_non_null(strstr(text, "event=d\n"));
}

static void auto_is_json_but_on_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(line_of(LOG_FORMAT_AUTO, NULL)[0], '{');
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        skip();
    int side = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(side >= 0);
    struct log *log;
    char text[256];
    const struct log_options options = {.fd = side, .format = LOG_FORMAT_AUTO};
    assert_int_equal(log_create(&options, &log, NULL), STATUS_OK);
    log_write(log, LOG_INFO, "start", NULL);
    assert_true(read(terminal, text, sizeof text) > 5);
    assert_memory_equal(text, "time=", 5);
    log_destroy(log);
    close(side);
    close(terminal);
}

/* Whatever the length of one field: a line of at most 4 KiB with the others, whole. */
static void long_lines_lose_whole_fields(void **state)
{
    (void)state;
    static char text[6000];
    for (size_t length = 3900; length < 5000; length += length < 3950 || length > 4100 ? 50 : 1) {
        memset(text, 'a', length);
        text[length] = '\0';
        const struct log_field fields[] = {LOG_FIELD_INTEGER("status", 200),
                                           LOG_FIELD_TEXT("long", text), LOG_FIELD_END};
        const char *line = line_of(LOG_FORMAT_JSON, fields);
        assert_true(strlen(line) <= 4096);
        struct json_doc *doc = parse(line, strlen(line));
        const struct json_node *root = json_doc_root(doc);
        const char *told = json_node_string(json_node_member(root, "long"));
        assert_int_equal(told == NULL, json_node_member(root, "truncated") != NULL);
        assert_true(told ? strlen(told) == length : length > 3950);
        assert_true(!told || length < 4096);
        assert_non_null(json_node_member(root, "status"));
        json_doc_destroy(doc);

        line = line_of(LOG_FORMAT_LOGFMT, fields);
        assert_true(strlen(line) <= 4096);
        bool is_cut = strstr(line, " truncated=true\n") != NULL;
        assert_true(is_cut || strlen(line) > length);
        assert_int_equal(strstr(line, "long=") == NULL, is_cut);
    }
}

static void escapes_are_never_cut(void **state)
{
    (void)state;
    static char text[2000];
    for (size_t length = 600; length < 720; length++) {
        memset(text, '\x01', length);
        text[length] = '\0';
        const struct log_field fields[] = {LOG_FIELD_TEXT("long", text), LOG_FIELD_END};
        const char *line = line_of(LOG_FORMAT_JSON, fields);
        assert_true(strlen(line) <= 4096);
        json_doc_destroy(parse(line, strlen(line)));
    }
}

static void fields_behind_a_long_one_are_kept(void **state)
{
    (void)state;
    static char text[6000];
    memset(text, 'a', sizeof text - 1);
    const struct log_field fields[] = {LOG_FIELD_TEXT("long", text),
                                       LOG_FIELD_INTEGER("status", 200), LOG_FIELD_END};
    assert_string_equal(fields_of(line_of(LOG_FORMAT_LOGFMT, fields)),
                        " status=200 truncated=true\n");
    assert_string_equal(fields_of(line_of(LOG_FORMAT_JSON, fields)),
                        "\",\"status\":200,\"truncated\":true}\n");
}

static void many_fields_fill_a_line(void **state)
{
    (void)state;
    struct log_field fields[1001];
    for (size_t i = 0; i < 1000; i++)
        fields[i] = LOG_FIELD_INTEGER("n", i);
    fields[1000] = LOG_FIELD_END;
    const char *line = line_of(LOG_FORMAT_LOGFMT, fields);
    assert_in_range(strlen(line), 4000, 4096);
    assert_non_null(strstr(line, " truncated=true\n"));
}

enum { THREADS = 8, LINES = 1000 };

struct writer {
    pthread_t thread;
    struct log *log;
    int number;
};

static void *write_lines(void *user)
{
    const struct writer *writer = user;
    char filling[512];
    for (int i = 0; i < LINES; i++) {
        size_t length = (size_t)(i * 37 % 500);
        memset(filling, 'a' + writer->number, length);
        filling[length] = '\0';
        const struct log_field fields[] = {LOG_FIELD_INTEGER("thread", writer->number),
                                           LOG_FIELD_INTEGER("line", i),
                                           LOG_FIELD_TEXT("filling", filling), LOG_FIELD_END};
        log_write(writer->log, LOG_INFO, "request", fields);
    }
    return NULL;
}

static void check_line(char *line, int next[THREADS])
{
    int64_t thread, number;
    struct json_doc *doc = parse(line, strlen(line));
    const struct json_node *root = json_doc_root(doc);
    assert_true(json_node_integer(json_node_member(root, "thread"), &thread));
    assert_true(json_node_integer(json_node_member(root, "line"), &number));
    assert_int_equal(number, next[thread]++);
    const char *filling = json_node_string(json_node_member(root, "filling"));
    const char letter[] = {(char)('a' + thread), '\0'};
    assert_int_equal(strlen(filling), number * 37 % 500);
    assert_int_equal(strspn(filling, letter), strlen(filling));
    json_doc_destroy(doc);
}

/* Over a pipe that is always full, non-blocking at that: lines come whole, each thread's in order.
 */
static void lines_of_threads_never_mix(void **state)
{
    (void)state;
    struct tap tap = open_tap(LOG_FORMAT_JSON, LOG_INFO);
    assert_int_equal(fcntl(tap.fds[1], F_SETPIPE_SZ, 4096), 4096);
    assert_int_equal(fcntl(tap.fds[1], F_SETFL, O_NONBLOCK), 0);
    struct writer writers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.log = tap.log, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_lines, &writers[i]), 0);
    }
    FILE *stream = fdopen(tap.fds[0], "r");
    assert_non_null(stream);
    int next[THREADS] = {0};
    char *line = NULL;
    size_t capacity = 0;
    for (int i = 0; i < THREADS * LINES; i++) {
        assert_true(getline(&line, &capacity, stream) > 0);
        check_line(line, next);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_int_equal(next[i], LINES);
    }
    free(line);
    log_destroy(tap.log);
    close(tap.fds[1]);
    assert_int_equal(fclose(stream), 0);
}

static void a_log_that_cannot_be_written_is_let_be(void **state)
{
    (void)state;
    struct log *log;
    const struct log_options options = {.fd = open("/dev/full", O_WRONLY | O_CLOEXEC)};
    assert_int_equal(log_create(&options, &log, NULL), STATUS_OK);
    log_write(log, LOG_ERROR, "start", NULL);
    close(options.fd);
    log_write(log, LOG_ERROR, "start", NULL);
    log_destroy(log);
    log_write(NULL, LOG_ERROR, "start", NULL);
    log_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_has_plain_words_and_quoted_texts),
        cmocka_unit_test(json_has_types),
        cmocka_unit_test(every_text_survives),
        cmocka_unit_test(lines_begin_with_time_level_and_event),
        cmocka_unit_test(the_time_is_now_in_utc),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(auto_is_json_but_on_a_terminal),
        cmocka_unit_test(long_lines_lose_whole_fields),
        cmocka_unit_test(escapes_are_never_cut),
        cmocka_unit_test(fields_behind_a_long_one_are_kept),
        cmocka_unit_test(many_fields_fill_a_line),
        cmocka_unit_test(lines_of_threads_never_mix),
        cmocka_unit_test(a_log_that_cannot_be_written_is_let_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
