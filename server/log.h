/* What the service tells an operator: one line an event on standard error, logfmt or JSON.
 *
 * Only server/ logs, and each failure once, where its request ends. A line is one write(2), so that
 * lines of several threads never mix. */
#ifndef CLASSIFYD_SERVER_LOG_H
#define CLASSIFYD_SERVER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "model/base/status.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log;

struct log_options {
    int fd;                 /* borrowed; where lines go */
    enum log_level level;   /* lines below it are not written */
    enum log_format format; /* auto: logfmt where fd is a terminal, else JSON */
};

enum log_kind { LOG_END, LOG_TEXT, LOG_INTEGER, LOG_MILLISECONDS, LOG_BOOLEAN };

/* One key and its value. A NULL text is left out. */
struct log_field {
    enum log_kind kind; /* LOG_END closes the list */
    const char *key;
    const char *text; /* any bytes; control characters and broken UTF-8 are escaped */
    int64_t integer;  /* LOG_INTEGER; LOG_BOOLEAN; LOG_MILLISECONDS: microseconds */
};

#define LOG_FIELD_TEXT(name, value) ((struct log_field){LOG_TEXT, (name), (value), 0})
#define LOG_FIELD_INTEGER(name, value)                                                             \
    ((struct log_field){LOG_INTEGER, (name), NULL, (int64_t)(value)})
#define LOG_FIELD_MILLISECONDS(name, value_us)                                                     \
    ((struct log_field){LOG_MILLISECONDS, (name), NULL, (int64_t)(value_us)})
#define LOG_FIELD_BOOLEAN(name, value) ((struct log_field){LOG_BOOLEAN, (name), NULL, (value)})
#define LOG_FIELD_END                  ((struct log_field){LOG_END, NULL, NULL, 0})

/* Fails with STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status log_create(const struct log_options *options, struct log **ret_log,
                                  struct error *error);
void log_destroy(struct log *log);

/* time (UTC), level, "event" and the fields: time=2026-11-21T10:00:00.123Z level=info
 * event=request id=... A value of logfmt that is not plain is written as a JSON string is. A line
 * has at most 4 KiB: fields without room are left out, and truncated=true says so. Any thread;
 * blocks on fd; a line that cannot be written is lost. Accepts a NULL log: nothing. */
void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields);

#endif
