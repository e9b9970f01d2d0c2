#include "server/fetch/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/clock.h"

/* The URL is copied no further than to where it is refused for its length. */
struct fetch *fetch_create(const struct fetcher_request *request)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    char *url = strndup(request->url, URL_MAX_BYTES + 1);
    if (!fetch || !url) {
        free(fetch);
        free(url);
        return NULL;
    }
    fetch->request = *request;
    fetch->request.url = url;
    fetch->submitted_us = clock_now_us();
    fetch->end_us = request->deadline_us > 0 ? request->deadline_us : UINT64_MAX;
    return fetch;
}

static enum problem_code code_of(enum status status)
{
    switch (status) {
    case STATUS_NO_MEMORY:
        return PROBLEM_OVERLOADED;
    case STATUS_UNSUPPORTED:
        return PROBLEM_ADDRESS_NOT_ALLOWED;
    default:
        return PROBLEM_BAD_REQUEST;
    }
}

enum problem_code fetch_set_url(struct fetch *fetch, const struct url_policy *policy,
                                const char *text, struct error *error)
{
    struct url url;
    enum status status = url_parse(text, &url, error);
    if (status != STATUS_OK)
        return code_of(status);
    status = url_policy_check(policy, &url, error);
    if (status != STATUS_OK) {
        url_fini(&url);
        return code_of(status);
    }
    url_fini(&fetch->url);
    fetch->url = url;
    fetch->entry.host = fetch->url.host;
    if (!*fetch->first_host)
        memcpy(fetch->first_host, url.host, sizeof fetch->first_host);
    return PROBLEM_NONE;
}

bool fetch_is_wanted(const struct fetch *fetch)
{
    return !fetch->request.is_wanted || fetch->request.is_wanted(fetch->request.user);
}

enum problem_code fetch_find_end(const struct fetch *fetch, uint64_t now_us)
{
    if (!fetch_is_wanted(fetch))
        return PROBLEM_CLIENT_GONE;
    return now_us >= fetch->end_us ? PROBLEM_FETCH_TIMEOUT : PROBLEM_NONE;
}

void fetch_begin_turn(struct fetch *fetch, uint64_t now_us, uint64_t timeout_us)
{
    if (fetch->has_had_turn)
        return;
    fetch->has_had_turn = true;
    fetch->turn_us = now_us;
    if (fetch->end_us - now_us > timeout_us)
        fetch->end_us = now_us + timeout_us;
}

static void finish(struct fetch *fetch, struct fetcher_result *result)
{
    uint64_t now_us = clock_now_us();
    uint64_t turn_us = fetch->has_had_turn ? fetch->turn_us : now_us;
    result->wait_us = turn_us - fetch->submitted_us;
    result->fetch_us = now_us - turn_us;
    fetch->request.done(fetch->request.user, result);
    url_fini(&fetch->url);
    free((char *)(uintptr_t)fetch->request.url);
    free(fetch);
}

void fetch_succeed(struct fetch *fetch, struct blob *blob)
{
    struct fetcher_result result = {.blob = blob};
    finish(fetch, &result);
}

void fetch_fail(struct fetch *fetch, enum problem_code code, const char *detail)
{
    struct fetcher_result result = {.blob = NULL};
    const char *first = fetch->first_host, *now = fetch->url.host;
    if (!*first)
        problem_set(&result.problem, code, "%s", detail);
    else if (strcmp(first, now) == 0)
        problem_set(&result.problem, code, "%s: %s", first, detail);
    else
        problem_set(&result.problem, code, "%s, redirected to %s: %s", first, now, detail);
    finish(fetch, &result);
}

void fetch_end_early(struct fetch *fetch, enum problem_code code)
{
    fetch_fail(fetch, code,
               code == PROBLEM_CLIENT_GONE ? "nobody waits for the image any more"
               : fetch->has_had_turn       ? "the time was up between two redirects"
                                           : "the time was up before it was its turn");
}
