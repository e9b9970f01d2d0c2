#include "server/fetch/checksum.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHA256_BYTES = 32, READ_BYTES = 1 << 16 };

struct checksum {
    EVP_MD_CTX *context;
};

static enum status refuse(struct error *error)
{
    return error_set(error, STATUS_INTERNAL, "OpenSSL could not compute a SHA-256");
}

enum status checksum_create(struct checksum **ret_checksum, struct error *error)
{
    struct checksum *checksum = calloc(1, sizeof *checksum);
    if (checksum)
        checksum->context = EVP_MD_CTX_new();
    if (!checksum || !checksum->context) {
        checksum_destroy(checksum);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a checksum");
    }
    enum status status = checksum_reset(checksum, error);
    if (status == STATUS_OK)
        *ret_checksum = checksum;
    else
        checksum_destroy(checksum);
    return status;
}

void checksum_destroy(struct checksum *checksum)
{
    if (!checksum)
        return;
    EVP_MD_CTX_free(checksum->context);
    free(checksum);
}

enum status checksum_reset(struct checksum *checksum, struct error *error)
{
    return EVP_DigestInit_ex(checksum->context, EVP_sha256(), NULL) == 1 ? STATUS_OK
                                                                         : refuse(error);
}

enum status checksum_update(struct checksum *checksum, struct span bytes, struct error *error)
{
    return EVP_DigestUpdate(checksum->context, bytes.data, bytes.size) == 1 ? STATUS_OK
                                                                            : refuse(error);
}

enum status checksum_format(const struct checksum *checksum, char ret_hex[CHECKSUM_HEX_BYTES],
                            struct error *error)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    /* Finishing ends a context; a copy keeps ours open. */
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    bool is_done = copy && EVP_MD_CTX_copy_ex(copy, checksum->context) == 1 &&
                   EVP_DigestFinal_ex(copy, digest, &size) == 1 && size == SHA256_BYTES;
    EVP_MD_CTX_free(copy);
    if (!is_done)
        return refuse(error);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
    return STATUS_OK;
}

enum status checksum_update_from_file(struct checksum *checksum, int fd, const char *path,
                                      struct error *error)
{
    uint8_t *buffer = malloc(READ_BYTES);
    if (!buffer)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a checksum");
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        ssize_t got = read(fd, buffer, READ_BYTES);
        if (got == 0)
            break;
        if (got > 0)
            status = checksum_update(checksum, (struct span){buffer, (size_t)got}, error);
        else if (errno != EINTR)
            status = error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    free(buffer);
    return status;
}
