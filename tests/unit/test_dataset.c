/* Trees and lists in a folder of our own; thinning out is in test_evaluation.c, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/commands/dataset.h"

static const char labels_tsv[] = "class_id\twnid\tlabel\n"
                                 "0\tn01440764\ttench\n"
                                 "1\tn02099601\tgolden retriever\n"
                                 "2\tn03000001\tcrane\n"
                                 "3\tn03000002\tcrane\n";

struct fixture {
    char folder[32];
    struct labels *labels;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/classifyd_test_XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    struct span text = {(const uint8_t *)labels_tsv, strlen(labels_tsv)};
    assert_int_equal(labels_parse_tsv(text, &fixture->labels, NULL), STATUS_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", fixture->folder);
    assert_int_equal(system(command), 0);
    labels_destroy(fixture->labels);
    free(fixture);
    return 0;
}

/* folder/name; ended with the test. */
static const char *path_of(const struct fixture *fixture, const char *name)
{
    static char path[512];
    int length = snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    assert_in_range(length, 1, sizeof path - 1);
    return path;
}

static void make_folder(const struct fixture *fixture, const char *name)
{
    assert_int_equal(mkdir(path_of(fixture, name), 0700), 0);
}

static void make_file(const struct fixture *fixture, const char *name, const char *text)
{
    FILE *file = fopen(path_of(fixture, name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

struct expected {
    const char *path; /* below the folder, or absolute */
    uint32_t class_id;
};

static void expect_images(const struct fixture *fixture, const struct dataset *dataset,
                          const struct expected *expected, size_t count)
{
    assert_int_equal(dataset->count, count);
    for (size_t i = 0; i < count; i++) {
        bool is_absolute = expected[i].path[0] == '/';
        assert_string_equal(dataset->images[i].path,
                            is_absolute ? expected[i].path : path_of(fixture, expected[i].path));
        assert_int_equal(dataset->images[i].class_id, expected[i].class_id);
    }
}

static struct dataset opened(const struct fixture *fixture, const char *name)
{
    struct dataset dataset;
    struct error error = {0};
    if (dataset_init(&dataset, path_of(fixture, name), fixture->labels, 4, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return dataset;
}

/* That `name` is refused, and with which words, after the folder's path where they begin with "/".
 */
static void expect_refused(const struct fixture *fixture, const char *name, uint32_t classes,
                           enum status status, const char *words)
{
    struct dataset dataset;
    struct error error = {0};
    assert_int_equal(
        dataset_init(&dataset, path_of(fixture, name), fixture->labels, classes, &error), status);
    if (!strstr(error.text, words))
        fail_msg("\"%s\" does not hold \"%s\"", error.text, words);
    assert_ptr_equal(strstr(error.text, path_of(fixture, name)), error.text);
    dataset_fini(&dataset);
}

static void tree_is_read_in_the_order_of_its_paths(void **state)
{
    const struct fixture *fixture = *state;
    make_folder(fixture, "tree");
    make_folder(fixture, "tree/n01440764");
    make_folder(fixture, "tree/Golden_Retriever");
    make_folder(fixture, "tree/Golden_Retriever/more");
    make_folder(fixture, "tree/3");
    make_folder(fixture, "tree/.git"); /* no class, and hidden */
    make_file(fixture, "tree/n01440764/b.jpeg", "");
    make_file(fixture, "tree/n01440764/a.PNG", "");
    make_file(fixture, "tree/n01440764/B.webp", "");
    make_file(fixture, "tree/n01440764/c.txt", "");
    make_file(fixture, "tree/n01440764/jpg", "");
    make_file(fixture, "tree/n01440764/.hidden.jpg", "");
    make_file(fixture, "tree/Golden_Retriever/z.bmp", "");
    make_file(fixture, "tree/Golden_Retriever/more/y.Gif", "");
    make_file(fixture, "tree/3/x.jpg", "");
    make_file(fixture, "tree/README.jpg", ""); /* in no class's folder */
    static const struct expected expected[] = {
        {"tree/3/x.jpg", 3},
        {"tree/Golden_Retriever/more/y.Gif", 1},
        {"tree/Golden_Retriever/z.bmp", 1},
        {"tree/n01440764/B.webp", 0},
        {"tree/n01440764/a.PNG", 0},
        {"tree/n01440764/b.jpeg", 0},
    };
    struct dataset dataset = opened(fixture, "tree");
    expect_images(fixture, &dataset, expected, 6);
    assert_int_equal(dataset.passed_over, 3); /* c.txt, jpg, README.jpg */
    dataset_fini(&dataset);
    assert_int_equal(dataset.count, 0);

    /* The slash that a shell's completion leaves is not doubled. */
    dataset = opened(fixture, "tree/");
    expect_images(fixture, &dataset, expected, 6);
    dataset_fini(&dataset);
}

static void links_are_followed_broken_ones_are_images(void **state)
{
    const struct fixture *fixture = *state;
    make_folder(fixture, "links");
    make_folder(fixture, "photos");
    make_file(fixture, "photos/a.jpg", "");
    assert_int_equal(symlink("../photos", path_of(fixture, "links/tench")), 0);
    make_folder(fixture, "links/1");
    assert_int_equal(symlink("nowhere", path_of(fixture, "links/1/gone.jpg")), 0);
    static const struct expected expected[] = {{"links/1/gone.jpg", 1}, {"links/tench/a.jpg", 0}};
    struct dataset dataset = opened(fixture, "links");
    expect_images(fixture, &dataset, expected, 2);
    dataset_fini(&dataset);
}

static void folder_of_no_class_is_named(void **state)
{
    const struct fixture *fixture = *state;
    make_folder(fixture, "cats");
    make_folder(fixture, "cats/0");
    make_file(fixture, "cats/0/a.jpg", "");
    make_folder(fixture, "cats/cat");
    expect_refused(fixture, "cats", 4, STATUS_BAD_REQUEST, "/cats/cat: the model has no class");
    assert_int_equal(rmdir(path_of(fixture, "cats/cat")), 0);
    /* Two classes have this label. */
    make_folder(fixture, "cats/crane");
    expect_refused(fixture, "cats", 4, STATUS_BAD_REQUEST, "/cats/crane: the model has no class");
    assert_int_equal(rmdir(path_of(fixture, "cats/crane")), 0);
    /* There is a label, but the network has fewer classes. */
    make_folder(fixture, "cats/2");
    expect_refused(fixture, "cats", 2, STATUS_BAD_REQUEST, "/cats/2: the model has no class");
}

static void folders_are_nested_to_a_depth(void **state)
{
    const struct fixture *fixture = *state;
    char name[256] = "deep";
    make_folder(fixture, name);
    strcat(name, "/0");
    make_folder(fixture, name);
    for (int depth = 1; depth <= 16; depth++) {
        strcat(name, "/d");
        make_folder(fixture, name);
    }
    char image[270];
    (void)snprintf(image, sizeof image, "%s/a.jpg", name);
    make_file(fixture, image, "");
    const struct expected expected = {image, 0};
    struct dataset dataset = opened(fixture, "deep");
    expect_images(fixture, &dataset, &expected, 1);
    dataset_fini(&dataset);

    strcat(name, "/d");
    make_folder(fixture, name);
    expect_refused(fixture, "deep", 4, STATUS_BAD_REQUEST, "folders nested deeper than 16");
    /* A link to itself ends there, too. */
    make_folder(fixture, "loop");
    make_folder(fixture, "loop/0");
    assert_int_equal(symlink(".", path_of(fixture, "loop/0/again")), 0);
    expect_refused(fixture, "loop", 4, STATUS_BAD_REQUEST, "folders nested deeper than 16");
}

static void list_is_read_in_its_own_order(void **state)
{
    const struct fixture *fixture = *state;
    make_folder(fixture, "lists");
    make_file(fixture, "lists/list",
              "b.jpg\tn02099601\r\n"
              "\n"
              "sub/a.txt\tTENCH\n"
              "/somewhere/c.png\t3\n"
              "b.jpg\tn02099601\n"
              "tab\tin name.jpg\t0\n"
              "../d.jpg\tgolden retriever"); /* no end of the line */
    static const struct expected expected[] = {
        {"lists/b.jpg", 1}, {"lists/sub/a.txt", 0},        {"/somewhere/c.png", 3},
        {"lists/b.jpg", 1}, {"lists/tab\tin name.jpg", 0}, {"lists/../d.jpg", 1},
    };
    struct dataset dataset = opened(fixture, "lists/list");
    expect_images(fixture, &dataset, expected, 6);
    assert_int_equal(dataset.passed_over, 0);
    dataset_fini(&dataset);
}

/* Without a slash in the list's name its folder is the one that we are in. */
static void list_may_be_in_this_folder(void **state)
{
    const struct fixture *fixture = *state;
    make_file(fixture, "here", "a.jpg\t2\n");
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(fixture->folder), 0);
    struct dataset dataset;
    assert_int_equal(dataset_init(&dataset, "here", fixture->labels, 4, NULL), STATUS_OK);
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_int_equal(dataset.count, 1);
    assert_string_equal(dataset.images[0].path, "a.jpg");
    assert_int_equal(dataset.images[0].class_id, 2);
    dataset_fini(&dataset);
}

static void broken_list_names_its_line(void **state)
{
    const struct fixture *fixture = *state;
    static const struct {
        const char *text, *words;
    } broken[] = {
        {"a.jpg\t0\n\nb.jpg 0\n", "broken:3: not \"path<TAB>class\""},
        {"\t0\n", "broken:1: not \"path<TAB>class\""},
        {"a.jpg\t0\nb.jpg\tcat\n", "broken:2: the model has no class \"cat\""},
        {"a.jpg\tcrane\n", "broken:1: the model has no class \"crane\""},
        {"a.jpg\t\n", "broken:1: the model has no class \"\""},
        {"a.jpg\t3\n", "broken:1: the model has no class \"3\""},
        {"a.jpg\t-1\n", "number below 3"},
        {"", "broken: no images; a list has"},
        {"\n\r\n", "broken: no images; a list has"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        make_file(fixture, "broken", broken[i].text);
        expect_refused(fixture, "broken", 3, STATUS_BAD_REQUEST, broken[i].words);
    }
}

static void nothing_to_read_is_told(void **state)
{
    const struct fixture *fixture = *state;
    expect_refused(fixture, "none", 4, STATUS_NOT_FOUND, "No such file");
    make_folder(fixture, "empty");
    expect_refused(fixture, "empty", 4, STATUS_BAD_REQUEST, "no images; a test set has");
    make_folder(fixture, "empty/tench");
    make_file(fixture, "empty/tench/notes.txt", "");
    expect_refused(fixture, "empty", 4, STATUS_BAD_REQUEST, "no images; a test set has");
    make_file(fixture, "plain", "");
    expect_refused(fixture, "plain/list", 4, STATUS_IO, "Not a directory");
}

/* More than the first allocation holds. */
static void long_list_is_read_and_thinned_out(void **state)
{
    const struct fixture *fixture = *state;
    FILE *file = fopen(path_of(fixture, "long"), "w");
    assert_non_null(file);
    for (int i = 0; i < 3000; i++)
        assert_true(fprintf(file, "/%d\t%d\n", i, i % 4) > 0);
    assert_int_equal(fclose(file), 0);
    struct dataset dataset = opened(fixture, "long");
    assert_int_equal(dataset.count, 3000);
    assert_string_equal(dataset.images[2999].path, "/2999");
    assert_int_equal(dataset.images[2999].class_id, 3);
    dataset_thin(&dataset, 3000);
    assert_int_equal(dataset.count, 3000);

    /* Of 3000 the 750th, 1500th, 2250th and last. */
    dataset_thin(&dataset, 4);
    static const struct expected expected[] = {
        {"/749", 1}, {"/1499", 3}, {"/2249", 1}, {"/2999", 3}};
    expect_images(fixture, &dataset, expected, 4);
    dataset_thin(&dataset, 0);
    assert_int_equal(dataset.count, 0);
    dataset_fini(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_is_read_in_the_order_of_its_paths),
        cmocka_unit_test(links_are_followed_broken_ones_are_images),
        cmocka_unit_test(folder_of_no_class_is_named),
        cmocka_unit_test(folders_are_nested_to_a_depth),
        cmocka_unit_test(list_is_read_in_its_own_order),
        cmocka_unit_test(list_may_be_in_this_folder),
        cmocka_unit_test(broken_list_names_its_line),
        cmocka_unit_test(nothing_to_read_is_told),
        cmocka_unit_test(long_list_is_read_and_thinned_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
