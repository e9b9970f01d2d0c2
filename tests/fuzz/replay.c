/* The main function of a harness in ordinary builds: gives it every file of the folders named, in
 * the order of their names. A folder without a file is an error, so that a lost corpus is seen. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool read_all(FILE *file, uint8_t **ret_data, size_t *ret_size)
{
    if (fseek(file, 0, SEEK_END) != 0)
        return false;
    long size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0)
        return false;
    /* Exactly as large as the input, so that a sanitizer sees the first byte read behind it. */
    uint8_t *data = malloc((size_t)size);
    if (size > 0 && (!data || fread(data, 1, (size_t)size, file) != (size_t)size)) {
        free(data);
        return false;
    }
    *ret_data = data;
    *ret_size = (size_t)size;
    return true;
}

static bool replay_file(const char *folder, const char *name)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return false;
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0;
    bool is_read = file && read_all(file, &data, &size);
    if (file)
        fclose(file);
    if (!is_read) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    fprintf(stderr, "%s: %zu bytes\n", name, size); /* the last one named is the one that crashed */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return true;
}

/* How many files were replayed; -1 where the folder or one of its files cannot be read. */
static int replay_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_input, alphasort);
    if (count < 0) {
        perror(folder);
        return -1;
    }
    int replayed = 0;
    for (int i = 0; i < count; i++) {
        if (replay_file(folder, entries[i]->d_name))
            replayed++;
        free(entries[i]);
    }
    free(entries);
    return replayed == count ? replayed : -1;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER...\n", argv[0]);
        return EXIT_FAILURE;
    }
    for (int i = 1; i < argc; i++) {
        int count = replay_folder(argv[i]);
        if (count < 0)
            return EXIT_FAILURE;
        printf("%s: %d inputs\n", argv[i], count);
        if (count == 0) {
            fprintf(stderr, "%s: an empty corpus tests nothing\n", argv[i]);
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
