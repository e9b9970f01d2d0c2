/* Bodies as curl 7.88 and urllib3 1.26 sent them, and what the RFCs allow beside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/multipart.h"

#define CRLF       "\r\n"
#define HEAD(more) "Content-Disposition: form-data; name=\"image\"" more CRLF
#define TYPE       "multipart/form-data; boundary=B"

enum { MAX_PARTS = 4 };

/* Reads a whole body: "name[filename](type)=content" a part, with line ends as they are, then how
 * it ended. Malloced to its size, so that a sanitizer sees a byte read outside. */
static enum status read_bytes(const char *type, const char *bytes, size_t size, char *ret_seen,
                              size_t seen_bytes, struct error *error)
{
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    struct multipart multipart;
    struct multipart_part part;
    bool has_part = true;
    size_t length = 0;
    *ret_seen = '\0';
    enum status status =
        multipart_init(&multipart, (struct span){copy, size}, type, MAX_PARTS, error);
    while (!status) {
        status = multipart_next(&multipart, &part, &has_part, error);
        if (status || !has_part)
            break;
        char name[64], filename[64] = "";
        assert_true(header_value_text(&part.name, name, sizeof name));
        if (part.filename.value.data)
            assert_true(header_value_text(&part.filename, filename, sizeof filename));
        length +=
            (size_t)snprintf(ret_seen + length, seen_bytes - length, "%s%s%s%s", name,
                             part.has_filename ? "[" : "", filename, part.has_filename ? "]" : "");
        length += (size_t)snprintf(
            ret_seen + length, seen_bytes - length, "(%.*s)=%.*s;", (int)part.content_type.size,
            part.content_type.size ? (const char *)part.content_type.data : "",
            (int)part.content.size, (const char *)part.content.data);
    }
    free(copy);
    return status;
}

static void expect(const char *type, const char *body, const char *expected)
{
    char seen[512];
    struct error error = {0};
    if (read_bytes(type, body, strlen(body), seen, sizeof seen, &error))
        fail_msg("%s", error.text);
    assert_string_equal(seen, expected);
}

static void expect_failure(const char *type, const char *body, enum status status, const char *text)
{
    char seen[512];
    struct error error = {0};
    assert_int_equal(read_bytes(type, body, strlen(body), seen, sizeof seen, &error), status);
    assert_string_equal(error.text, text);
}

static const char from_curl[] =
    "--------------------------d8b9e167ba3bb42b" CRLF
    "Content-Disposition: form-data; name=\"image\"; filename=\"d%22o\\g.gif\"" CRLF
    "Content-Type: image/gif" CRLF CRLF "GIF89a.." CRLF
    "--------------------------d8b9e167ba3bb42b" CRLF
    "Content-Disposition: form-data; name=\"image\"; filename=\"h\xC3\xBCnd.gif\"" CRLF
    "Content-Type: image/gif" CRLF CRLF "GIF89a.\n" CRLF
    "--------------------------d8b9e167ba3bb42b" CRLF
    "Content-Disposition: form-data; name=\"top_k\"" CRLF CRLF "3" CRLF
    "--------------------------d8b9e167ba3bb42b--" CRLF;
static const char type_of_curl[] =
    "multipart/form-data; boundary=------------------------d8b9e167ba3bb42b";

static void what_clients_send(void **state)
{
    (void)state;
    expect(type_of_curl, from_curl,
           "image[d%22o\\g.gif](image/gif)=GIF89a..;image[h\xC3\xBCnd.gif](image/gif)=GIF89a.\n;"
           "top_k()=3;");
    expect("multipart/form-data; boundary=96c7ad4d8f20aee9e3cbcd51d92480b1",
           "--96c7ad4d8f20aee9e3cbcd51d92480b1" CRLF
           "Content-Disposition: form-data; name=\"a\"" CRLF CRLF "b" CRLF
           "--96c7ad4d8f20aee9e3cbcd51d92480b1--" CRLF,
           "a()=b;");
    /* A browser's form without a field. */
    expect(TYPE, "--B--" CRLF, "");
}

static void what_the_rfcs_allow(void **state)
{
    (void)state;
    /* Preamble, epilogue, padding behind the boundary, no line end after the last one. */
    expect(TYPE,
           "This is MIME" CRLF "--B  \t" CRLF HEAD("") CRLF "x" CRLF "--B-- \t" CRLF "--B" CRLF,
           "image()=x;");
    expect(TYPE, "--B" CRLF HEAD("") CRLF "x" CRLF "--B--", "image()=x;");
    /* A quoted boundary, names in any case, other headers. */
    expect("Multipart/Form-Data; charset=utf-8; BOUNDARY=\"a b:?\"",
           "--a b:?" CRLF "content-disposition:FORM-DATA;NAME=n" CRLF "X-Other: 1" CRLF
           "CONTENT-TYPE: text/plain; charset=utf-8" CRLF CRLF CRLF "--a b:?--",
           "n(text/plain)=;");
    /* Content that looks like a boundary, that has line ends at its end, that has none. */
    expect(TYPE,
           "--B" CRLF HEAD("") CRLF "--BB" CRLF "x--B" CRLF " --B" CRLF "--B-" CRLF CRLF CRLF
                                    "--B--",
           "image()=--BB\r\nx--B\r\n --B\r\n--B-\r\n\r\n;");
    expect(TYPE, "--B" CRLF HEAD("") CRLF "--B" CRLF HEAD("") CRLF CRLF "--B--",
           "image()=;image()=;");
    /* filename* is not read, but says that it is a file; a part may be called anything. */
    expect(TYPE, "--B" CRLF HEAD("; filename*=UTF-8''h%C3%BC.jpg") CRLF "x" CRLF "--B--",
           "image[]("
           ")=x;");
    expect(TYPE, "--B" CRLF HEAD("; filename=\"\"") CRLF CRLF "--B--", "image[]()=;");
}

static void lines_may_end_in_lf_alone(void **state)
{
    (void)state;
    expect(TYPE,
           "--B\nContent-Disposition: form-data; name=a\n\nx\r\n\n--B\n"
           "Content-Disposition: form-data; name=b\r\n\r\ny\n--B--\n",
           "a()=x\r\n;b()=y;");
}

static void what_is_refused(void **state)
{
    (void)state;
    const enum status bad = STATUS_BAD_REQUEST;
    expect_failure("multipart/form-data", "--B--", bad,
                   "Content-Type is multipart/form-data without a boundary; leave the header to "
                   "the client library, which knows it");
    expect_failure("multipart/form-data; boundary=", "--B--", bad,
                   "the boundary in Content-Type must be 1 to 70 characters");
    expect_failure("multipart/form-data; boundary=\"B", "--B--", bad,
                   "Content-Type cannot be read: its parameters are not name=value");
    expect_failure("multipart/form-data; boundary=B; boundary=C", "--B--", bad,
                   "Content-Type names two boundaries");
    expect_failure(TYPE, "", bad, "the body is empty");
    expect_failure(TYPE, "--C--", bad,
                   "the body has no line \"--B\", the boundary that Content-Type names");
    expect_failure(TYPE, "--B" CRLF CRLF "x" CRLF "--B--", bad,
                   "part 1 has no \"Content-Disposition: form-data; name=...\"");
    expect_failure(TYPE, "--B" CRLF "Content-Disposition: attachment; name=a" CRLF CRLF "--B--",
                   bad, "part 1: Content-Disposition is not form-data");
    expect_failure(TYPE, "--B" CRLF HEAD("; name=b") CRLF "--B--", bad,
                   "part 1: Content-Disposition says name twice");
    expect_failure(TYPE, "--B" CRLF HEAD("; filename=b; filename=c") CRLF "--B--", bad,
                   "part 1: Content-Disposition says filename twice");
    expect_failure(TYPE, "--B" CRLF HEAD("") HEAD("") CRLF "--B--", bad,
                   "part 1: Content-Disposition comes twice");
    expect_failure(TYPE, "--B" CRLF HEAD("; b") CRLF "--B--", bad,
                   "part 1: Content-Disposition cannot be read");
    expect_failure(TYPE, "--B" CRLF HEAD("") " folded" CRLF CRLF "--B--", bad,
                   "part 1: a header line is not \"Name: value\"");
    expect_failure(TYPE, "--B" CRLF HEAD("") CRLF "x" CRLF "--B" CRLF HEAD(""), bad,
                   "the body ends in the headers of part 2");
    expect_failure(TYPE, "--B" CRLF HEAD("") CRLF "x" CRLF "--B-", bad,
                   "the body ends before the boundary that closes part 1");
}

static void limits(void **state)
{
    (void)state;
    char body[10000], type[200];
    struct error error = {0};
    /* The longest boundary there may be, and one more. */
    char boundary[72];
    memset(boundary, 'b', 71);
    boundary[71] = '\0';
    (void)snprintf(type, sizeof type, "multipart/form-data; boundary=%s", boundary + 1);
    (void)snprintf(body, sizeof body, "--%s--", boundary + 1);
    expect(type, body, "");
    (void)snprintf(type, sizeof type, "multipart/form-data; boundary=%s", boundary);
    expect_failure(type, body, STATUS_BAD_REQUEST,
                   "the boundary in Content-Type must be 1 to 70 characters");
    /* One part too many. */
    size_t length = 0;
    for (int i = 0; i <= MAX_PARTS; i++)
        length +=
            (size_t)snprintf(body + length, sizeof body - length, "--B" CRLF HEAD("") CRLF CRLF);
    (void)snprintf(body + length, sizeof body - length, "--B--");
    expect_failure(TYPE, body, STATUS_TOO_LARGE, "more than 4 parts");
    /* Headers of 8192 bytes, and of one more. */
    for (int more = 0; more < 2; more++) {
        const char start[] = HEAD("") "X-Long: ";
        int filler = MULTIPART_MAX_HEADER_BYTES - (int)strlen(start) - 4 + more;
        (void)snprintf(body, sizeof body, "--B" CRLF "%s%0*d" CRLF CRLF "x" CRLF "--B--", start,
                       filler, 1);
        char seen[64];
        enum status status = read_bytes(TYPE, body, strlen(body), seen, sizeof seen, &error);
        assert_int_equal(status, more ? STATUS_BAD_REQUEST : STATUS_OK);
    }
    assert_string_equal(error.text, "part 1: its headers are longer than 8192 bytes");
}

/* Cut anywhere, a body is an error or an end, never more than was there. */
static void cut_at_every_byte(void **state)
{
    (void)state;
    char whole[512], seen[512];
    struct error error = {0};
    size_t size = sizeof from_curl - 1;
    assert_int_equal(read_bytes(type_of_curl, from_curl, size, whole, sizeof whole, &error), 0);
    for (size_t cut = 0; cut < size - 2; cut++) {
        error = (struct error){0};
        assert_int_equal(read_bytes(type_of_curl, from_curl, cut, seen, sizeof seen, &error),
                         STATUS_BAD_REQUEST);
        assert_true(*error.text);
        assert_memory_equal(seen, whole, strlen(seen));
    }
    /* The last line needs no end. */
    for (size_t cut = size - 2; cut <= size; cut++) {
        bool is_odd = cut == size - 1; /* "\r" alone is no line end */
        assert_int_equal(read_bytes(type_of_curl, from_curl, cut, seen, sizeof seen, &error),
                         is_odd ? STATUS_BAD_REQUEST : STATUS_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_clients_send),
        cmocka_unit_test(what_the_rfcs_allow),
        cmocka_unit_test(lines_may_end_in_lf_alone),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(limits),
        cmocka_unit_test(cut_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
