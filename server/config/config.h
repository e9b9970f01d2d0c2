/* The service's configuration, as read from the option table: defaults, then the file, then the
 * environment, then --set; later wins.
 *
 * What an option is called, its unit, range, default and help stand in one const table in
 * config_options.c; this struct is where the values end up. */
#ifndef CLASSIFYD_SERVER_CONFIG_CONFIG_H
#define CLASSIFYD_SERVER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/span.h"
#include "model/base/status.h"

/* Texts, owned by the configuration. */
struct config_list {
    size_t count;
    const char *const *values; /* [count] */
};

struct config {
    struct {
        const char *host;           /* "localhost" */
        int64_t port;               /* 8080; 0..65535, 0: any */
        int64_t event_threads;      /* 0: by the CPUs */
        int64_t max_connections;    /* 1000 */
        int64_t max_requests;       /* 1000; admitted and not yet answered */
        int64_t header_timeout_ms;  /* 10000 */
        int64_t body_timeout_ms;    /* 30000 */
        int64_t send_timeout_ms;    /* 30000 */
        int64_t idle_timeout_ms;    /* 75000 */
        int64_t request_timeout_ms; /* 30000; from the last body byte to the answer */
        int64_t drain_delay_ms;     /* 5000; still serving after SIGTERM, readiness says no */
        int64_t drain_timeout_ms;   /* 20000; for what is under way after that */
        bool allow_half_close;      /* false */
        bool page;                  /* true; serve the page at / */
    } server;
    struct {
        int64_t memory_bytes;        /* 512 MiB: bodies and fetched images, all requests together */
        int64_t body_bytes;          /* 32 MiB */
        int64_t images;              /* 64 in one request */
        int64_t image_side_px;       /* 20000 */
        int64_t image_pixels;        /* 100,000,000 */
        int64_t decode_memory_bytes; /* 768 MiB: pixels decoded at one time */
    } limits;
    struct config_list models; /* "demo"; "pets=/models/pets.pth"; the first is the default */
    struct {
        struct config_list dirs; /* empty: CLASSIFYD_MODEL_DIRS, or the usual places */
        const char *catalogue;   /* "": the built-in one */
        const char *cache;       /* "auto" */
    } model;
    struct {
        int64_t threads;            /* 0: the CPUs that may be used */
        const char *kernels;        /* "auto" */
        const char *precision;      /* "auto" */
        int64_t max_batch;          /* 8 */
        int64_t max_queue_delay_us; /* 0 */
        bool numa;                  /* true: use the nodes where there are several */
        bool lock_memory;           /* true: try */
        bool self_check;            /* true: readiness waits for it */
    } engine;
    struct {
        int64_t threads; /* 0: the CPUs that may be used */
        bool orient;     /* true: apply EXIF orientation */
        bool scale_dct;  /* false: decode large JPEGs at their full size */
    } prepare;
    struct {
        bool enabled;                      /* true */
        int64_t max_bytes;                 /* 32 MiB */
        int64_t timeout_ms;                /* 10000 */
        int64_t connect_timeout_ms;        /* 3000 */
        int64_t max_redirects;             /* 3 */
        int64_t max_concurrent;            /* 64 */
        int64_t max_concurrent_per_host;   /* 8 */
        struct config_list allow_hosts;    /* empty: every public host */
        struct config_list allow_networks; /* empty: public addresses only */
        struct config_list allow_ports;    /* empty: 80 and 443 */
        const char *ca_file;               /* "": the system's */
        const char *proxy;                 /* "": none */
    } fetch;
    struct {
        const char *level;  /* "info" */
        const char *format; /* "auto" */
    } log;
};

/* One NAME=VALUE of the command line. */
struct config_setting {
    const char *name, *value; /* "server.port", "9000" */
    const char *origin;       /* what is short for it, for messages: "--port"; NULL: --set */
};

struct config_sources {
    const char *file;         /* NULL: none */
    char *const *environment; /* environ; NULL: none. CLASSIFYD_SERVER_PORT is server.port */
    size_t setting_count;
    const struct config_setting *settings; /* [setting_count], in order */
};

/* Reads and checks everything. Fails with STATUS_BAD_REQUEST and every fault found on a line of its
 * own as far as the text reaches: "classifyd.json:12: server.prot: unknown option; did you mean
 * server.port?", "CLASSIFYD_SERVER_PORT: 70000 is out of range: 0 to 65535",
 * "--set: log.level: ..."; STATUS_NOT_FOUND, STATUS_TOO_LARGE, STATUS_IO (the file cannot be read),
 * STATUS_NO_MEMORY. Returns owned, immutable. Blocks on the disk; any thread. */
MUST_CHECK enum status config_load(const struct config_sources *sources, struct config **ret_config,
                                   struct error *error);

/* The same, of a file whose text is at hand; sources->file is what messages call it. */
MUST_CHECK enum status config_parse(const struct config_sources *sources, struct span text,
                                    struct config **ret_config, struct error *error);

/* Accepts NULL. */
void config_destroy(struct config *config);

/* Every option with its value, as a JSON file that config_load reads back; `only_changed`: those
 * that are not the default. Returns owned, free(). */
MUST_CHECK enum status config_format(const struct config *config, bool only_changed,
                                     char **ret_text, struct error *error);

#endif
