#include "server/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model/base/utf8.h"

/* What a pipe takes in one piece (PIPE_BUF), so that lines do not mix there, either. */
enum { MAX_LINE = 4096, MAX_CHARACTER = 6 /* "\u001f" */ };

struct log {
    int fd;
    enum log_level level;
    bool is_json;
};

/* A line as far as it is written; `used` stays below `room`. */
struct line {
    bool is_json;
    bool is_full; /* something found no room */
    size_t used, room;
    char text[MAX_LINE];
};

enum status log_create(const struct log_options *options, struct log **ret_log, struct error *error)
{
    struct log *log = calloc(1, sizeof *log);
    if (!log)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the log");
    log->fd = options->fd;
    log->level = options->level;
    log->is_json = options->format == LOG_FORMAT_JSON ||
                   (options->format == LOG_FORMAT_AUTO && !isatty(options->fd));
    *ret_log = log;
    return STATUS_OK;
}

void log_destroy(struct log *log)
{
    free(log);
}

static void put(struct line *line, const char *bytes, size_t size)
{
    if (size >= line->room - line->used) {
        line->is_full = true;
        return;
    }
    memcpy(line->text + line->used, bytes, size);
    line->used += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Also the two characters that some readers take for the end of a line. */
static bool is_plain(uint32_t character)
{
    return utf8_is_printable(character) && character != '"' && character != '\\' &&
           character != 0x2028 && character != 0x2029;
}

/* As in JSON; a byte that belongs to no character becomes U+FFFD. */
static void escape(uint32_t character, char ret_text[MAX_CHARACTER + 1])
{
    static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *at = character < 0x80 && character ? strchr(named, (int)character) : NULL;
    if (at)
        (void)snprintf(ret_text, MAX_CHARACTER + 1, "\\%c", names[at - named]);
    else
        (void)snprintf(ret_text, MAX_CHARACTER + 1, "\\u%04x", (unsigned)(character & 0xFFFF));
}

static void put_quoted(struct line *line, const char *text)
{
    put_text(line, "\"");
    while (*text && !line->is_full) {
        uint32_t character;
        size_t length = utf8_read(text, &character);
        char escaped[MAX_CHARACTER + 1];
        if (length > 0 && is_plain(character)) {
            put(line, text, length);
        } else {
            escape(length > 0 ? character : 0xFFFD, escaped);
            put_text(line, escaped);
        }
        text += length > 0 ? length : 1;
    }
    put_text(line, "\"");
}

/* Whether logfmt needs no quotes: no space, no "=", nothing to escape. */
static bool is_word(const char *text)
{
    const char *begin = text;
    while (*text) {
        uint32_t character;
        size_t length = utf8_read(text, &character);
        if (length == 0 || !is_plain(character) || character == ' ' || character == '=')
            return false;
        text += length;
    }
    return text > begin;
}

static void put_value(struct line *line, const struct log_field *field)
{
    char number[32];
    uint64_t magnitude =
        field->integer < 0 ? 0 - (uint64_t)field->integer : (uint64_t)field->integer;
    switch (field->kind) {
    case LOG_TEXT:
        if (line->is_json || !is_word(field->text))
            put_quoted(line, field->text);
        else
            put_text(line, field->text);
        break;
    case LOG_INTEGER:
        (void)snprintf(number, sizeof number, "%lld", (long long)field->integer);
        put_text(line, number);
        break;
    case LOG_MILLISECONDS:
        (void)snprintf(number, sizeof number, "%s%llu.%03u", field->integer < 0 ? "-" : "",
                       (unsigned long long)(magnitude / 1000), (unsigned)(magnitude % 1000));
        put_text(line, number);
        break;
    case LOG_BOOLEAN:
        put_text(line, field->integer ? "true" : "false");
        break;
    case LOG_END:
        break;
    }
}

/* A whole field, or nothing of it. */
static void put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->used;
    line->is_full = false;
    if (line->is_json)
        put_text(line, before > 0 ? ",\"" : "{\"");
    else if (before > 0)
        put_text(line, " ");
    put_text(line, field->key);
    put_text(line, line->is_json ? "\":" : "=");
    put_value(line, field);
    if (line->is_full)
        line->used = before;
}

static void put_fields(struct line *line, const struct log_field *fields)
{
    static const char closing[] = ",\"truncated\":true}\n"; /* the longer of the two forms */
    bool is_cut = false;
    line->room = MAX_LINE - sizeof closing;
    for (; fields && fields->kind != LOG_END; fields++) {
        if (fields->kind == LOG_TEXT && !fields->text)
            continue;
        put_field(line, fields);
        is_cut = is_cut || line->is_full;
    }
    line->room = MAX_LINE;
    if (is_cut)
        put_field(line, &LOG_FIELD_BOOLEAN("truncated", true));
    put_text(line, line->is_json ? "}\n" : "\n");
}

static void format_time(char *ret_text, size_t size)
{
    struct timespec now;
    struct tm parts;
    char seconds[32] = "";
    if (clock_gettime(CLOCK_REALTIME, &now) == 0 && gmtime_r(&now.tv_sec, &parts))
        (void)strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(ret_text, size, "%s.%03uZ", seconds, (unsigned)(now.tv_nsec / 1000000));
}

/* A descriptor shared with a program that made it non-blocking is waited for; on any other failure
 * there is nobody left to tell. */
static void write_out(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            if (poll(&ready, 1, -1) < 0 && errno != EINTR)
                return;
        } else if (written == 0 || errno != EINTR) {
            return;
        }
    }
}

void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    if (!log || level < log->level)
        return;
    int kept_errno = errno;
    struct line line = {.is_json = log->is_json, .room = MAX_LINE / 2};
    char time[64];
    format_time(time, sizeof time);
    put_field(&line, &LOG_FIELD_TEXT("time", time));
    put_field(&line, &LOG_FIELD_TEXT("level", levels[level]));
    put_field(&line, &LOG_FIELD_TEXT("event", event));
    put_fields(&line, fields);
    write_out(log->fd, line.text, line.used);
    errno = kept_errno;
}
