/* A fetcher on the end of a pipe, for the tests in Python.
 *
 * Usage: fetch_driver KEY=VALUE...
 * Reads "get TAG DEADLINE_MS URL" (0: none) and "drop TAG" (nobody waits for it any more) line by
 * line; at the end of its input it destroys the fetcher. Prints a JSON object for each outcome, and
 * one at the end. */
#include <inttypes.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/clock.h"
#include "server/fetch/checksum.h"
#include "server/fetch/fetcher.h"

enum { MAX_LIST = 16, MAX_TAGS = 4096, MAX_LINE = 64 << 10 };

struct want {
    unsigned tag;
    atomic_bool is_dropped;
};

struct driver {
    struct url_policy_options policy_options;
    const char *hosts[MAX_LIST], *networks[MAX_LIST];
    uint16_t ports[MAX_LIST];
    struct fetcher_options options;
    struct url_policy *policy;
    struct fetcher *fetcher;
    struct want wants[MAX_TAGS];
};

static struct budget budget = {.limit_bytes = 64 << 20};

static void die(const char *what)
{
    fprintf(stderr, "fetch_driver: %s\n", what);
    exit(2);
}

static void print(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    if (!text)
        die("an outcome that is not UTF-8");
    printf("%s\n", text);
    fflush(stdout);
    free(text);
    json_decref(object);
}

static void hash(struct span bytes, char ret_hex[CHECKSUM_HEX_BYTES])
{
    struct checksum *checksum = NULL;
    if (checksum_create(&checksum, NULL) || checksum_update(checksum, bytes, NULL) ||
        checksum_format(checksum, ret_hex, NULL))
        die("no checksum");
    checksum_destroy(checksum);
}

static void done(void *user, struct fetcher_result *result)
{
    const struct want *want = user;
    char hex[CHECKSUM_HEX_BYTES] = "";
    json_int_t bytes = -1;
    if (result->blob) {
        bytes = (json_int_t)blob_bytes(result->blob).size;
        hash(blob_bytes(result->blob), hex);
    }
    json_int_t charged = (json_int_t)budget_used(&budget);
    blob_release(result->blob);
    print(json_pack("{si ss ss sI ss sI sI sI}", "tag", (int)want->tag, "code",
                    problem_kind(result->problem.code)->name, "detail", result->problem.detail,
                    "bytes", bytes, "sha256", hex, "wait_us", (json_int_t)result->wait_us,
                    "fetch_us", (json_int_t)result->fetch_us, "charged_bytes", charged));
}

static bool is_wanted(void *user)
{
    const struct want *want = user;
    return !atomic_load(&want->is_dropped);
}

static bool take_number(const char *key, const char *name, const char *value, uint64_t *ret_number)
{
    if (strcmp(key, name) != 0)
        return false;
    *ret_number = strtoull(value, NULL, 10);
    return true;
}

static void set(struct driver *driver, const char *key, const char *value)
{
    struct url_policy_options *policy = &driver->policy_options;
    struct fetcher_options *options = &driver->options;
    uint64_t number;
    if (strcmp(key, "allow_host") == 0 && policy->allow_host_count < MAX_LIST)
        driver->hosts[policy->allow_host_count++] = value;
    else if (strcmp(key, "allow_network") == 0 && policy->allow_network_count < MAX_LIST)
        driver->networks[policy->allow_network_count++] = value;
    else if (take_number(key, "allow_port", value, &number) && policy->allow_port_count < MAX_LIST)
        driver->ports[policy->allow_port_count++] = (uint16_t)number;
    else if (take_number(key, "budget_bytes", value, &number))
        budget.limit_bytes = number;
    else if (take_number(key, "max_bytes", value, &number))
        options->max_bytes = number;
    else if (take_number(key, "timeout_ms", value, &number))
        options->timeout_us = number * 1000;
    else if (take_number(key, "connect_timeout_ms", value, &number))
        options->connect_timeout_us = number * 1000;
    else if (take_number(key, "max_redirects", value, &number))
        options->max_redirects = (unsigned)number;
    else if (take_number(key, "max_concurrent", value, &number))
        options->max_concurrent = (unsigned)number;
    else if (take_number(key, "max_concurrent_per_host", value, &number))
        options->max_concurrent_per_host = (unsigned)number;
    else if (strcmp(key, "ca_file") == 0)
        options->ca_file = value;
    else if (strcmp(key, "proxy") == 0)
        options->proxy = value;
    else
        die(key);
}

static void parse(struct driver *driver, int argc, char **argv)
{
    driver->policy_options = (struct url_policy_options){.allow_hosts = driver->hosts,
                                                         .allow_networks = driver->networks,
                                                         .allow_ports = driver->ports};
    driver->options = (struct fetcher_options){.budget = &budget,
                                               .max_bytes = 1 << 20,
                                               .timeout_us = 10000000,
                                               .connect_timeout_us = 3000000,
                                               .max_redirects = 3,
                                               .max_concurrent = 8,
                                               .max_concurrent_per_host = 8};
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            die(argv[i]);
        *value = 0;
        set(driver, argv[i], value + 1);
    }
}

/* "get TAG DEADLINE_MS URL" or "drop TAG". */
static void obey(struct driver *driver, char *line)
{
    char *rest = strchr(line, ' ');
    struct error error = {0};
    line[strcspn(line, "\n")] = 0;
    if (!rest)
        die(line);
    uint64_t tag = strtoull(rest, &rest, 10);
    if (tag >= MAX_TAGS)
        die("too large a tag");
    struct want *want = &driver->wants[tag];
    if (strncmp(line, "drop ", 5) == 0) {
        atomic_store(&want->is_dropped, true);
        return;
    }
    uint64_t deadline_ms = strtoull(rest, &rest, 10);
    want->tag = (unsigned)tag;
    const struct fetcher_request request = {
        .url = rest + 1,
        .deadline_us = deadline_ms ? clock_now_us() + deadline_ms * 1000 : 0,
        .done = done,
        .is_wanted = is_wanted,
        .user = want};
    if (fetcher_submit(driver->fetcher, &request, &error) != STATUS_OK)
        die(error.text);
}

int main(int argc, char **argv)
{
    static struct driver driver;
    static char line[MAX_LINE];
    struct error error = {0};
    parse(&driver, argc, argv);
    if (url_policy_create(&driver.policy_options, &driver.policy, &error) != STATUS_OK)
        die(error.text);
    driver.options.policy = driver.policy;
    if (fetcher_create(&driver.options, &driver.fetcher, &error) != STATUS_OK)
        die(error.text);
    while (fgets(line, sizeof line, stdin))
        obey(&driver, line);
    uint64_t begin_us = clock_now_us();
    fetcher_destroy(driver.fetcher);
    print(json_pack("{sI sI}", "destroy_us", (json_int_t)(clock_now_us() - begin_us),
                    "charged_bytes", (json_int_t)budget_used(&budget)));
    url_policy_destroy(driver.policy);
    return 0;
}
