/* What a command line is read as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/commands/command.h"

static const char *const colours[] = {"red", "green", NULL};

static const struct command command = {
    .name = "test",
    .arguments =
        (const struct command_argument[]){
            {"FILE", "an image", COMMAND_HINT_FILE, .is_repeated = true},
            {NULL, NULL, COMMAND_HINT_NONE, false, false},
        },
    .options =
        (const struct command_option[]){
            {COMMAND_FLAG, "json", 'j', COMMAND_HINT_NONE, .help = "JSON"},
            {COMMAND_TEXT, "model", 'm', COMMAND_HINT_MODEL, .value = "M", .preset = "demo"},
            {COMMAND_INTEGER, "top-k", 'k', COMMAND_HINT_NONE, .value = "N", .preset = "5",
             .min = 1, .max = 1000},
            {COMMAND_INTEGER, "threads", 0, COMMAND_HINT_NONE, .value = "N", .min = -2, .max = 8},
            {COMMAND_LIST, "batch", 'b', COMMAND_HINT_NONE, .value = "N,...", .min = 1, .max = 64},
            {COMMAND_CHOICE, "colour", 0, COMMAND_HINT_NONE, .value = "C", .choices = colours},
            {COMMAND_TEXTS, "set", 'S', COMMAND_HINT_NONE, .value = "NAME=VALUE"},
            COMMAND_OPTION_END,
        },
};

enum { MAX_WORDS = 24 };
static char *words[MAX_WORDS + 1];

/* `line` split at spaces; "_" stands for an empty word. */
static enum status parse(const char *line, struct command_call *ret_call, struct error *error)
{
    static char copy[256];
    assert_true(strlen(line) < sizeof copy);
    strcpy(copy, line);
    int count = 0;
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        words[count++] = strcmp(word, "_") == 0 ? word + 1 : word;
    assert_true(count <= MAX_WORDS);
    return command_parse(&command, count, words, ret_call, error);
}

static struct command_call expect_call(const char *line)
{
    struct command_call call;
    struct error error = {0};
    assert_int_equal(parse(line, &call, &error), STATUS_OK);
    assert_string_equal(error.text, "");
    return call;
}

static void expect_refusal(const char *line, const char *text)
{
    struct command_call call = {.argument_count = 77};
    struct error error = {0};
    assert_int_equal(parse(line, &call, &error), STATUS_BAD_REQUEST);
    assert_string_equal(error.text, text);
    assert_int_equal(call.argument_count, 77);
}

static int64_t integer(const struct command_call *call, const char *name)
{
    int64_t value = INT64_MIN;
    assert_true(command_integer(call, name, &value));
    return value;
}

static void test_every_use_of_a_repeated_text_counts(void **state)
{
    (void)state;
    struct command_call call = expect_call("--set a=1 a.jpg -Sb=2 --set=c=_");
    const char *const *values;
    assert_int_equal(command_texts(&call, "set", &values), 3);
    assert_string_equal(values[0], "a=1");
    assert_string_equal(values[1], "b=2");
    assert_string_equal(values[2], "c=_");
    call = expect_call("a.jpg");
    assert_int_equal(command_texts(&call, "set", &values), 0);

    char word[] = "--set=a=1", *many[COMMAND_MAX_LIST + 1];
    for (int i = 0; i <= COMMAND_MAX_LIST; i++)
        many[i] = word;
    struct error error = {0};
    assert_int_equal(command_parse(&command, COMMAND_MAX_LIST + 1, many, &call, &error),
                     STATUS_BAD_REQUEST);
    assert_string_equal(error.text, "--set is taken at most 32 times");
}

static void test_presets(void **state)
{
    (void)state;
    struct command_call call = expect_call("a.jpg");
    int64_t value;
    const int64_t *list;
    assert_false(command_flag(&call, "json"));
    assert_string_equal(command_text(&call, "model"), "demo");
    assert_int_equal(integer(&call, "top-k"), 5);
    assert_false(command_integer(&call, "threads", &value));
    assert_int_equal(command_list(&call, "batch", &list), 0);
    assert_null(command_text(&call, "colour"));
}

static void test_every_spelling(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "--json --model x --top-k 7 a b",
        "a --json --model=x b --top-k=7",
        "-j -m x -k 7 a b",
        "-jmx -k7 a b",
        "a b -jk 7 --model x",
        "-k 9 -m y -jk7 -mx a -- b",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct command_call call = expect_call(lines[i]);
        assert_true(command_flag(&call, "json"));
        assert_string_equal(command_text(&call, "model"), "x");
        assert_int_equal(integer(&call, "top-k"), 7);
        assert_int_equal(call.argument_count, 2);
        assert_string_equal(call.arguments[0], "a");
        assert_string_equal(call.arguments[1], "b");
    }
}

static void test_words_that_are_arguments(void **state)
{
    (void)state;
    struct command_call call = expect_call("- -- --json -k --");
    assert_false(command_flag(&call, "json"));
    assert_int_equal(call.argument_count, 4);
    assert_string_equal(call.arguments[0], "-");
    assert_string_equal(call.arguments[1], "--json");
    assert_string_equal(call.arguments[3], "--");
}

static void test_values(void **state)
{
    (void)state;
    struct command_call call =
        expect_call("a --threads -2 --batch 1,8,64 --colour=green --model -- --top-k 0010");
    const int64_t *list;
    assert_int_equal(integer(&call, "threads"), -2);
    assert_int_equal(command_list(&call, "batch", &list), 3);
    assert_int_equal(list[0], 1);
    assert_int_equal(list[2], 64);
    assert_string_equal(command_text(&call, "colour"), "green");
    assert_string_equal(command_text(&call, "model"), "--");
    assert_int_equal(integer(&call, "top-k"), 10);
}

static void test_refusals(void **state)
{
    (void)state;
    expect_refusal("a --jsn", "unknown option --jsn; did you mean --json?");
    expect_refusal("a --topk=3", "unknown option --topk; did you mean --top-k?");
    expect_refusal("a --mod x", "unknown option --mod; did you mean --model?");
    expect_refusal("a --frobnicate", "unknown option --frobnicate");
    expect_refusal("a -x", "unknown option -x");
    expect_refusal("a -jx", "unknown option -x");
    expect_refusal("a --json=yes", "--json takes no value");
    expect_refusal("a --model", "--model wants a value: --model M");
    expect_refusal("a -m", "--model wants a value: --model M");
    expect_refusal("a --model=", "--model wants a value, not an empty one");
    expect_refusal("a --top-k 0", "--top-k wants a number from 1 to 1000, not \"0\"");
    expect_refusal("a -k1001", "--top-k wants a number from 1 to 1000, not \"1001\"");
    expect_refusal("a -k _", "--top-k wants a number from 1 to 1000, not \"\"");
    expect_refusal("a -k 5x", "--top-k wants a number from 1 to 1000, not \"5x\"");
    expect_refusal("a -k +5", "--top-k wants a number from 1 to 1000, not \"+5\"");
    expect_refusal("a -k 0x5", "--top-k wants a number from 1 to 1000, not \"0x5\"");
    expect_refusal("a -k 99999999999999999999",
                   "--top-k wants a number from 1 to 1000, not \"99999999999999999999\"");
    expect_refusal("a -b 1,,2", "--batch wants a number from 1 to 64, not \"\"");
    expect_refusal("a -b 1,65", "--batch wants a number from 1 to 64, not \"65\"");
    expect_refusal("a -b 1,2,", "--batch wants a number from 1 to 64, not \"\"");
    expect_refusal("a -b 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
                   "--batch takes at most 32 numbers");
    expect_refusal("a --colour blue", "--colour is one of red, green, not \"blue\"");
    expect_refusal("--json", "FILE is missing: an image");
}

static void test_help_needs_no_arguments(void **state)
{
    (void)state;
    assert_true(expect_call("--help").is_help);
    assert_true(expect_call("-h").is_help);
    assert_true(expect_call("-jh").is_help);
    assert_false(expect_call("-- -h").is_help);
    expect_refusal("--helf", "unknown option --helf; did you mean --help?");
}

static const struct command one = {
    .name = "one",
    .arguments =
        (const struct command_argument[]){
            {"MODEL", "a model", COMMAND_HINT_MODEL, .is_optional = true},
            {NULL, NULL, COMMAND_HINT_NONE, false, false},
        },
};

static void test_too_many_arguments(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b", *argv[] = {a, b};
    struct command_call call;
    struct error error = {0};
    assert_int_equal(command_parse(&one, 0, argv, &call, &error), STATUS_OK);
    assert_int_equal(command_parse(&one, 1, argv, &call, &error), STATUS_OK);
    assert_int_equal(command_parse(&one, 2, argv, &call, &error), STATUS_BAD_REQUEST);
    assert_string_equal(error.text, "one argument too many: \"b\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_every_use_of_a_repeated_text_counts),
        cmocka_unit_test(test_every_spelling),
        cmocka_unit_test(test_words_that_are_arguments),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_help_needs_no_arguments),
        cmocka_unit_test(test_too_many_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
