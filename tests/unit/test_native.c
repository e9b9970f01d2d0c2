/* /classify through the adapter's interface: requests built by hand, items finished
 * as a pipeline would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/native.h"
#include "server/pipeline/item_progress.h"
#include "server/web/assets.h"

#define GIF  "GIF89a\x01\x01\x01\x01"
#define CRLF "\r\n"
#define PART(disposition, content)                                                                 \
    "--B" CRLF "Content-Disposition: form-data; " disposition CRLF CRLF content CRLF

static const char form_type[] = "application/x-www-form-urlencoded";
static const char multipart_type[] = "multipart/form-data; boundary=B";

enum { MAX_IMAGES = 3, BUDGET_BYTES = 1 << 20 };

struct fixture {
    struct catalogue *catalogue;
    struct labels *labels;
    struct registry *registry; /* demo is ready, slow is loading, lost has failed */
    struct budget budget;
    struct native *native;
    struct adapter adapter;
    const struct adapter_route *route;
};

static int setup(void **state)
{
    static const char *const specs[] = {"demo", "slow", "lost"};
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct error error = {0};
    assert_non_null(fixture);
    fixture->budget.limit_bytes = BUDGET_BYTES;
    assert_int_equal(catalogue_parse(assets_catalogue(), &fixture->catalogue, NULL), STATUS_OK);
    assert_int_equal(labels_parse_tsv(assets_labels(), &fixture->labels, NULL), STATUS_OK);
    assert_int_equal(registry_create(specs, 3, &fixture->registry, &error), STATUS_OK);
    struct model_library library = {.catalogue = fixture->catalogue,
                                    .imagenet_labels = fixture->labels,
                                    .demo_weights = assets_demo_weights(),
                                    .folders = ""};
    struct model_options options = {.engine = {.kernels = "generic"}};
    struct model *model = NULL;
    assert_int_equal(model_load(&library, "demo", &options, &model, &error), STATUS_OK);
    registry_entry_set_model(registry_at(fixture->registry, 0), model);
    registry_entry_set_ready(registry_at(fixture->registry, 0));
    registry_entry_set_failed(registry_at(fixture->registry, 2), "no such file");
    struct native_options native = {fixture->registry, &fixture->budget, MAX_IMAGES};
    assert_int_equal(native_create(&native, &fixture->native, &error), STATUS_OK);
    fixture->adapter = native_adapter(fixture->native);
    fixture->route = &fixture->adapter.routes[0];
    assert_string_equal(fixture->route->path, "/classify");
    assert_null(fixture->adapter.routes[1].path);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(budget_used(&fixture->budget), 0);
    native_destroy(fixture->native);
    registry_destroy(fixture->registry);
    catalogue_destroy(fixture->catalogue);
    labels_destroy(fixture->labels);
    free(fixture);
    return 0;
}

/* What was asked, for one call. */
struct ask {
    const char *type, *body;
    size_t size; /* of a body with NULs; 0: strlen */
    struct adapter_parameter query[4];
};

static bool parse(struct fixture *fixture, const struct ask *ask, struct adapter_items *items,
                  struct problem *problem)
{
    struct adapter_request request = {.method = "POST",
                                      .path = "/classify",
                                      .host = "h:1",
                                      .content_type = ask->type,
                                      .request_id = "r-1",
                                      .parameters = ask->query};
    while (request.parameter_count < 4 && ask->query[request.parameter_count].name)
        request.parameter_count++;
    if (ask->body) {
        size_t size = ask->size ? ask->size : strlen(ask->body);
        struct span bytes = {(const uint8_t *)ask->body, size};
        assert_int_equal(blob_create(&fixture->budget, size, &request.body, NULL), STATUS_OK);
        assert_int_equal(blob_append(request.body, bytes, size, NULL), STATUS_OK);
    }
    bool is_parsed = fixture->route->parse(fixture->adapter.user, &request, items, problem);
    blob_release(request.body);
    return is_parsed;
}

static void release(struct adapter_items *items)
{
    for (size_t i = 0; i < items->count; i++)
        item_release(items->items[i]);
    free(items->items);
}

/* "file|url|bytes|model|top_k|min_probability;" an item, "*" before it where it is a list. */
static void expect(struct fixture *fixture, struct ask ask, const char *expected)
{
    char seen[1024] = "";
    struct adapter_items items = {0};
    struct problem problem = {0};
    if (!parse(fixture, &ask, &items, &problem))
        fail_msg("%s", problem.detail);
    size_t length = (size_t)snprintf(seen, sizeof seen, "%s", items.is_many ? "*" : "");
    for (size_t i = 0; i < items.count; i++) {
        const struct item_request *asked = item_request(items.items[i]);
        length += (size_t)snprintf(
            seen + length, sizeof seen - length, "%s|%s|%.*s|%s|%u|%g;",
            asked->file ? asked->file : "", asked->url ? asked->url : "", (int)asked->bytes.size,
            asked->bytes.data ? (const char *)asked->bytes.data : "",
            asked->model ? asked->model : "", asked->top_k, (double)asked->min_probability);
    }
    release(&items);
    assert_string_equal(seen, expected);
}

static void expect_problem(struct fixture *fixture, struct ask ask, enum problem_code code,
                           const char *detail)
{
    struct adapter_items items = {0};
    struct problem problem = {0};
    assert_false(parse(fixture, &ask, &items, &problem));
    assert_string_equal(problem.detail, detail);
    assert_int_equal(problem.code, code);
    assert_null(items.items);
}

static void an_image_is_an_image_whatever_the_header_says(void **state)
{
    struct fixture *fixture = *state;
    const char *const types[] = {NULL, form_type, multipart_type, "application/json", "text/plain"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        expect(fixture, (struct ask){.type = types[i], .body = GIF}, "||" GIF "||0|0;");
    expect(fixture,
           (struct ask){.body = GIF,
                        .query = {{"top_k", "3"}, {"min_probability", "0.5"}, {"model", "demo"}}},
           "||" GIF "|demo|3|0.5;");
}

static void urls_of_the_query(void **state)
{
    struct fixture *fixture = *state;
    expect(fixture, (struct ask){.query = {{"url", "http://a/b"}}}, "|http://a/b|||0|0;");
    expect(fixture, (struct ask){.query = {{"url", "http://a"}, {"top_k", "1"}, {"url", "b"}}},
           "*|http://a|||1|0;|b|||1|0;");
    expect(fixture, (struct ask){.body = GIF, .query = {{"url", "http://a"}}},
           "*|http://a|||0|0;||" GIF "||0|0;");
    expect(fixture, (struct ask){.body = "", .query = {{"url", "http://a"}}}, "|http://a|||0|0;");
}

static void forms(void **state)
{
    struct fixture *fixture = *state;
    expect(fixture,
           (struct ask){.type = "Application/X-WWW-Form-URLencoded; charset=utf-8",
                        .body = "url=http%3A%2F%2Fa&top_k=2\r\n"},
           "|http://a|||2|0;");
    expect(fixture, (struct ask){.type = form_type, .body = "url=a&url=b"}, "*|a|||0|0;|b|||0|0;");
    expect_problem(fixture, (struct ask){.type = form_type, .body = "ulr=a"}, PROBLEM_BAD_REQUEST,
                   "no field \"ulr\"; did you mean url?");
    expect_problem(fixture, (struct ask){.type = form_type, .body = "image=dog.jpg"},
                   PROBLEM_BAD_REQUEST,
                   "image cannot be a field of this kind; to send a file: curl -F image=@dog.jpg, "
                   "or curl --data-binary @dog.jpg");
    expect_problem(fixture, (struct ask){.type = form_type, .body = "url=%zz"}, PROBLEM_BAD_REQUEST,
                   "not a form: a \"%\" is not followed by two hexadecimal digits");
}

static void multipart_forms(void **state)
{
    struct fixture *fixture = *state;
    expect(fixture,
           (struct ask){.type = multipart_type,
                        .body = PART("name=\"image\"; filename=\"a%22b.gif\"", GIF) "--B--"},
           "a\"b.gif||" GIF "||0|0;");
    /* Parameters, a URL, a file of another field, an image without a name, a file not chosen. */
    expect(fixture,
           (struct ask){.type = multipart_type,
                        .body = PART("name=top_k", "4") PART("name=url", "http://a")
                            PART("name=x; filename=\"\\\\a\"", "no image") PART("name=y", GIF)
                                PART("name=z; filename=\"\"", "") "--B--"},
           "*|http://a|||4|0;\\a||no image||4|0;||" GIF "||4|0;");
    expect_problem(fixture, (struct ask){.type = multipart_type, .body = PART("name=image", GIF)},
                   PROBLEM_BAD_REQUEST, "the body ends before the boundary that closes part 1");
    expect_problem(
        fixture,
        (struct ask){.type = multipart_type, .body = PART("name=image", "dog.jpg") "--B--"},
        PROBLEM_UNSUPPORTED_MEDIA_TYPE,
        "the part image is the text \"dog.jpg\"; JPEG, PNG, WebP, BMP and GIF images "
        "are read. To send a file: curl -F image=@dog.jpg");
    expect_problem(fixture,
                   (struct ask){.type = multipart_type,
                                .body = PART("name=a; filename=b", "%PDF-1.7") "--B--"},
                   PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                   "the part a is a PDF document; JPEG, PNG, WebP, BMP and GIF images are read");
    expect_problem(fixture,
                   (struct ask){.type = multipart_type,
                                .body = PART("name=topk", "3") PART("name=image", GIF) "--B--"},
                   PROBLEM_BAD_REQUEST, "no part \"topk\"; did you mean top_k?");
    expect_problem(fixture,
                   (struct ask){.type = multipart_type,
                                .body = PART("name=a", GIF) PART("name=a", GIF) PART("name=a", GIF)
                                    PART("name=a", GIF) "--B--"},
                   PROBLEM_TOO_MANY_IMAGES, "more than the 3 images that one request may carry");
}

static void json(void **state)
{
    struct fixture *fixture = *state;
    expect(fixture, (struct ask){.type = form_type, .body = " {\"url\": \"http://a\"}"},
           "|http://a|||0|0;");
    expect(fixture,
           (struct ask){.type = "application/vnd.x+json; charset=utf-8",
                        .body = "{\"urls\": [\"a\"], \"top_k\": 2, \"min_probability\": 0.5, "
                                "\"model\": \"demo\"}"},
           "*|a||demo|2|0.5;");
    /* GIF in base64. */
    expect(fixture,
           (struct ask){.body = "{\"image\": \"data:image/gif;base64,R0lGODlhAQEBAQ==\", "
                                "\"urls\": [\"a\"]}"},
           "*||"
           "GIF89a\x01\x01\x01\x01"
           "||0|0;|a|||0|0;");
    expect_problem(fixture, (struct ask){.type = "application/json", .body = "[1"},
                   PROBLEM_BAD_REQUEST,
                   "the body is not JSON: line 1 column 2: ']' expected near end of file");
    expect_problem(fixture, (struct ask){.body = "{\"image\": \"R0lG*\"}"}, PROBLEM_BAD_REQUEST,
                   "image: not base64: \"*\" at character 5");
    expect_problem(fixture, (struct ask){.body = "{\"images\": [\"R0lG\", \"R\"]}"},
                   PROBLEM_BAD_REQUEST,
                   "images[1]: not base64: it ends in the middle of a byte, after 1 characters");
    expect_problem(
        fixture, (struct ask){.body = "{\"url\": \"a\", \"top_k\": 2}", .query = {{"top_k", "3"}}},
        PROBLEM_BAD_REQUEST, "top_k is given twice, with different values");
    expect_problem(fixture, (struct ask){.body = "{\"top_k\": 2}"}, PROBLEM_BAD_REQUEST,
                   "no image: send one (curl --data-binary @dog.jpg h:1/classify) or a URL (curl "
                   "'h:1/classify?url=https://...')");
}

/* What decoding takes is charged before it is allocated. */
static void base64_is_charged_to_the_budget(void **state)
{
    struct fixture *fixture = *state;
    static char body[BUDGET_BYTES / 5 * 4];
    memset(body, 'A', sizeof body);
    memcpy(body, "{\"image\":\"", 10);
    memcpy(body + sizeof body - 3, "\"}", 3);
    struct adapter_items items;
    struct problem problem = {0};
    assert_false(parse(fixture, &(struct ask){.body = body}, &items, &problem));
    assert_int_equal(problem.code, PROBLEM_OVERLOADED);
}

static void what_is_none_of_it(void **state)
{
    struct fixture *fixture = *state;
    const char nothing[] = "no image: send one (curl --data-binary @dog.jpg h:1/classify) or a URL "
                           "(curl 'h:1/classify?url=https://...')";
    expect_problem(fixture, (struct ask){0}, PROBLEM_BAD_REQUEST, nothing);
    expect_problem(fixture, (struct ask){.type = "image/jpeg", .body = ""}, PROBLEM_BAD_REQUEST,
                   nothing);
    expect_problem(fixture, (struct ask){.type = multipart_type, .body = "--B--"},
                   PROBLEM_BAD_REQUEST, nothing);
    expect_problem(fixture, (struct ask){.type = "image/tiff", .body = "II*\0\1", .size = 5},
                   PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                   "the body is a TIFF image (Content-Type: image/tiff); JPEG, PNG, WebP, BMP and "
                   "GIF images are read, and multipart/form-data, JSON and forms are taken. For "
                   "example: curl --data-binary @dog.jpg");
    expect_problem(
        fixture, (struct ask){.type = form_type, .body = "II*\0=", .size = 5},
        PROBLEM_UNSUPPORTED_MEDIA_TYPE,
        "the body is a TIFF image (Content-Type: application/x-www-form-urlencoded); "
        "JPEG, PNG, WebP, BMP and GIF images are read, and multipart/form-data, JSON and "
        "forms are taken. For example: curl --data-binary @dog.jpg");
    expect_problem(
        fixture, (struct ask){.body = "https://example.org/dog.jpg"},
        PROBLEM_UNSUPPORTED_MEDIA_TYPE,
        "the body is text that begins \"https://example.org/dog.\" (Content-Type: none); "
        "JPEG, PNG, WebP, BMP and GIF images are read. For a URL: curl --data-urlencode "
        "url=https://example.org/dog.jpg");
    expect_problem(fixture, (struct ask){.query = {{"url", ""}}}, PROBLEM_BAD_REQUEST,
                   "a URL must have 1 to 8192 bytes, this one has 0");
    expect_problem(fixture, (struct ask){.query = {{"_", "1"}}}, PROBLEM_BAD_REQUEST,
                   "no parameter \"_\"; there are url, top_k, min_probability and model");
}

static void models_are_checked_first(void **state)
{
    struct fixture *fixture = *state;
    expect_problem(fixture, (struct ask){.body = GIF, .query = {{"model", "dem"}}},
                   PROBLEM_MODEL_NOT_FOUND, "no model \"dem\" is served; did you mean demo?");
    expect_problem(fixture, (struct ask){.body = GIF, .query = {{"model", "resnet152"}}},
                   PROBLEM_MODEL_NOT_FOUND,
                   "no model \"resnet152\" is served; /models lists those that are");
    expect_problem(fixture, (struct ask){.body = GIF, .query = {{"model", "slow"}}},
                   PROBLEM_MODEL_NOT_READY, "the model slow is still being loaded");
    expect_problem(fixture, (struct ask){.body = GIF, .query = {{"model", "lost"}}},
                   PROBLEM_MODEL_NOT_READY, "the model lost could not be loaded: no such file");
    expect(fixture, (struct ask){.body = GIF, .query = {{"top_k", "1000"}}}, "||" GIF "||1000|0;");
    expect_problem(fixture, (struct ask){.body = GIF, .query = {{"top_k", "1001"}}},
                   PROBLEM_BAD_REQUEST, "top_k is 1001; the model demo has 1000 classes");
}

/* Answers. */

static void format(struct fixture *fixture, struct item *const *items, size_t count, bool is_many,
                   struct adapter_reply *ret_reply)
{
    struct adapter_request request = {.method = "POST", .path = "/classify", .request_id = "r-1"};
    fixture->route->format(fixture->adapter.user, &request, items, count, is_many, ret_reply);
}

static struct item *unfinished(const char *file, const char *url)
{
    struct item *item;
    struct item_request request = {.file = file, .url = url};
    assert_int_equal(item_create(&request, &item, NULL), STATUS_OK);
    return item;
}

static struct item_answer answer_of(const char *url)
{
    return (struct item_answer){
        .info = {.format = IMAGE_FORMAT_JPEG, .width_px = 640, .height_px = 480, .orientation = 1},
        .times = {.fetch_us = url ? 30000 : 0,
                  .decode_us = 1500,
                  .preprocess_us = 250,
                  .queue_us = 40,
                  .inference_us = 12345},
        .batch_size = 4,
    };
}

static struct item *finish(const struct fixture *fixture, struct item *item,
                           struct item_answer answer)
{
    answer.prediction_count = 1;
    answer.predictions = calloc(1, sizeof *answer.predictions);
    assert_non_null(answer.predictions);
    *answer.predictions = (struct topk_entry){.class_id = 207, .probability = 0.75F};
    item_set_model(item, registry_entry_model(registry_at(fixture->registry, 0)));
    assert_true(item_finish_answer(item, &answer));
    return item;
}

static struct item *fail_with(struct item *item, enum problem_code code, const char *detail)
{
    assert_true(item_finish_problem(item, code, detail));
    return item;
}

/* The only figure that the clock decides, in milliseconds, becomes a T. */
static void mask_totals(char *text)
{
    const char key[] = "\"total\": ";
    for (char *at = text; (at = strstr(at, key)) != NULL;) {
        at += sizeof key - 1;
        size_t digits = strspn(at, "0123456789.");
        assert_true(digits > 0);
        *at = 'T';
        memmove(at + 1, at + digits, strlen(at + digits) + 1);
    }
}

#define MODEL                                                                                      \
    "\"model\": {\"name\": \"demo\", \"weights\": \"demo\", \"precision\": \"float32\", "          \
    "\"note\": \"the embedded demo model: it knows 20 of ImageNet's 1000 classes and answers "     \
    "with one of them whatever it is shown; `classifyd pull resnet50` brings a real one\"}"
#define RESULT                                                                                     \
    MODEL ", \"predictions\": [{\"class_id\": 207, \"wnid\": \"n02099601\", \"label\": "           \
          "\"golden retriever\", \"probability\": 0.75}], \"image\": {\"format\": \"jpeg\", "      \
          "\"width\": 640, \"height\": 480, \"orientation\": 1}, \"batch_size\": 4, "

static void one_answer(void **state)
{
    struct fixture *fixture = *state;
    struct adapter_reply reply;
    struct item *item = finish(fixture, unfinished("dog.jpg", NULL), answer_of(NULL));
    format(fixture, &item, 1, false, &reply);
    assert_int_equal(reply.http_status, 200);
    assert_string_equal(reply.content_type, "application/json");
    assert_int_equal(reply.size, strlen(reply.text));
    mask_totals(reply.text);
    assert_string_equal(reply.text,
                        "{\"file\": \"dog.jpg\", " RESULT
                        "\"request_id\": \"r-1\", \"timing_ms\": {\"fetch\": 0.0, \"decode\": 1.5, "
                        "\"preprocess\": 0.25, \"queue\": 0.04, \"inference\": 12.345, \"total\": "
                        "T}}\n");
    assert_string_equal(reply.server_timing, "decode;dur=1.5, preprocess;dur=0.2, queue;dur=0.0, "
                                             "inference;dur=12.3;desc=\"batch=4\"");
    assert_int_equal(reply.retry_after_s, 0);
    assert_null(reply.cache_control);
    free(reply.text);
    item_release(item);
}

static void one_failure(void **state)
{
    struct fixture *fixture = *state;
    struct adapter_reply reply;
    struct item *item =
        fail_with(unfinished("dog.jpg", NULL), PROBLEM_NOT_DECODABLE, "it ends \"early\" \xFF");
    format(fixture, &item, 1, false, &reply);
    assert_int_equal(reply.http_status, 422);
    assert_string_equal(reply.content_type, "application/problem+json");
    assert_string_equal(reply.text,
                        "{\"type\": \"about:blank\", \"title\": \"Unprocessable Content\", "
                        "\"status\": 422, \"code\": \"not_decodable\", \"detail\": \"it ends "
                        "\\\"early\\\" \xEF\xBF\xBD\", \"request_id\": \"r-1\"}\n");
    assert_string_equal(reply.server_timing, "");
    free(reply.text);
    item_release(item);
}

static void several_answers(void **state)
{
    struct fixture *fixture = *state;
    struct adapter_reply reply;
    const char url[] = "http://a/?b";
    struct item_answer other = answer_of(NULL);
    other.times.decode_us = 9000;
    other.batch_size = 8;
    struct item *items[] = {finish(fixture, unfinished(NULL, url), answer_of(url)),
                            fail_with(unfinished("c", NULL), PROBLEM_OVERLOADED, "full"),
                            finish(fixture, unfinished(NULL, NULL), other),
                            fail_with(unfinished(NULL, "d"), PROBLEM_FETCH_TLS, "untrusted")};
    format(fixture, items, 4, true, &reply);
    assert_int_equal(reply.http_status, 200);
    mask_totals(reply.text);
    assert_string_equal(
        reply.text,
        "{\"results\": [{\"url\": \"http://a/?b\", " RESULT
        "\"timing_ms\": {\"fetch\": 30.0, \"decode\": 1.5, \"preprocess\": 0.25, \"queue\": 0.04, "
        "\"inference\": 12.345, \"total\": T}}, "
        "{\"file\": \"c\", \"error\": {\"code\": \"overloaded\", \"status\": 503, \"title\": "
        "\"Service Unavailable\", \"detail\": \"full\"}}, "
        "{" MODEL ", \"predictions\": [{\"class_id\": 207, \"wnid\": \"n02099601\", \"label\": "
        "\"golden retriever\", \"probability\": 0.75}], \"image\": {\"format\": \"jpeg\", "
        "\"width\": 640, \"height\": 480, \"orientation\": 1}, \"batch_size\": 8, "
        "\"timing_ms\": {\"fetch\": 0.0, \"decode\": 9.0, \"preprocess\": 0.25, \"queue\": 0.04, "
        "\"inference\": 12.345, \"total\": T}}, "
        "{\"url\": \"d\", \"error\": {\"code\": \"fetch_tls\", \"status\": 502, \"title\": "
        "\"Bad Gateway\", \"detail\": \"untrusted\"}}], \"request_id\": \"r-1\"}\n");
    assert_string_equal(reply.server_timing,
                        "fetch;dur=30.0, decode;dur=9.0, preprocess;dur=0.2, queue;dur=0.0, "
                        "inference;dur=12.3;desc=\"batch=8\"");
    free(reply.text);
    for (size_t i = 0; i < 4; i++)
        item_release(items[i]);
}

/* Every stage at its longest still fits. */
static void timing_has_room(void **state)
{
    struct fixture *fixture = *state;
    struct adapter_reply reply;
    const uint64_t longest_us = UINT64_MAX;
    struct item_answer answer = {
        .times = {.fetch_us = longest_us,
                  .decode_us = longest_us,
                  .preprocess_us = longest_us,
                  .queue_us = longest_us,
                  .inference_us = longest_us},
        .batch_size = SIZE_MAX,
    };
    struct item *item = finish(fixture, unfinished(NULL, "http://a"), answer);
    format(fixture, &item, 1, false, &reply);
    assert_string_equal(reply.server_timing + strlen(reply.server_timing) - 7, "551615\"");
    free(reply.text);
    item_release(item);
}

static void problem_of_a_request(void **state)
{
    struct fixture *fixture = *state;
    struct adapter_request request = {.request_id = "r-2"};
    for (int code = PROBLEM_NONE + 1; code < PROBLEM_COUNT; code++) {
        struct problem problem = {.code = (enum problem_code)code, .detail = "why"};
        struct adapter_reply reply;
        fixture->adapter.format_problem(fixture->adapter.user, &request, &problem, &reply);
        assert_int_equal(reply.http_status, problem_kind(problem.code)->http_status);
        assert_int_equal(reply.retry_after_s, problem_kind(problem.code)->retry_after_s);
        assert_non_null(strstr(reply.text, problem_kind(problem.code)->name));
        assert_non_null(strstr(reply.text, "\"request_id\": \"r-2\"}\n"));
        free(reply.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_is_an_image_whatever_the_header_says),
        cmocka_unit_test(urls_of_the_query),
        cmocka_unit_test(forms),
        cmocka_unit_test(multipart_forms),
        cmocka_unit_test(json),
        cmocka_unit_test(base64_is_charged_to_the_budget),
        cmocka_unit_test(what_is_none_of_it),
        cmocka_unit_test(models_are_checked_first),
        cmocka_unit_test(one_answer),
        cmocka_unit_test(one_failure),
        cmocka_unit_test(several_answers),
        cmocka_unit_test(timing_has_room),
        cmocka_unit_test(problem_of_a_request),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
